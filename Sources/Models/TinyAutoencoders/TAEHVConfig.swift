import Weights

/// What a `TAEHV` is made of, told by the shapes of its tensors: no published file has a configuration.
package struct TAEHVConfig: Sendable {
    package let channels: Int
    /// Pixels along a side that the networks see as channels.
    package let patch: Int
    /// Whether it is taew2_2_super, which has wide blocks in its decoder.
    package let isWide: Bool
    /// Channels of each level of the decoder, and of its last convolution's input.
    let decoderWidths: [Int]
    /// Frames that each level of the decoder makes of one.
    let decoderGrowth: [Int]
    let encoderWidth: Int
    /// Frames that each level of the encoder makes one of; nil for a file of the decoder alone.
    let encoderPooling: [Int]?

    static let levels = 3
    /// Remembering blocks of a level.
    static let blocks = 3

    // MARK: Numbers of layers, those without weights included

    /// The numbers of the layers in a level of the decoder.
    struct Numbers {
        let firstBlock, grow, convolution: Int

        init(level: Int, isWide: Bool) {
            firstBlock = isWide ? 1 + 7 * level : 3 + 6 * level
            grow = 7 + (isWide ? 7 : 6) * level
            convolution = isWide ? 4 + 7 * level : 8 + 6 * level
        }
    }

    /// The number of the pool in a level of the encoder; its convolution and its blocks follow.
    static func encoderPool(of level: Int) -> Int { 2 + 5 * level }

    /// Whether a file holds this network: its first remembering block reads a frame and the one before.
    static func isHere(_ checkpoint: Checkpoint) -> Bool {
        checkpoint.tensors["decoder.22.weight"]?.shape.count == 4
            && ["decoder.3.conv.0.weight", "decoder.1.conv.0.weight"].contains { checkpoint.tensors[$0] != nil }
    }

    /// - Throws: `NetworkError` for shapes that are not this network's.
    init(_ checkpoint: Checkpoint) throws(NetworkError) {
        let tensors = checkpoint.tensors
        isWide = tensors["decoder.0.weight"] != nil
        let first = try checkpoint.shape(of: isWide ? "decoder.0.weight" : "decoder.1.weight", axes: 4)
        channels = first[1]
        let head = try checkpoint.shape(of: "decoder.22.weight", axes: 4)
        guard let patch = [1, 2].first(where: { 3 * $0 * $0 == head[0] }) else {
            throw .unsupported(file: checkpoint.path, reason: "\"decoder.22.weight\" gives \(head[0]) channels")
        }
        self.patch = patch
        var (widths, growth) = ([first[0]], [Int]())
        for level in 0..<Self.levels {
            let numbers = Numbers(level: level, isWide: isWide)
            let outputs = try checkpoint.shape(of: "decoder.\(numbers.convolution).weight", axes: 4)[0]
            widths.append(isWide ? outputs / 4 : outputs)
            let shape = try checkpoint.shape(of: "decoder.\(numbers.grow).conv.weight", axes: 2)
            growth.append(shape[0] / shape[1])
        }
        (decoderWidths, decoderGrowth) = (widths, growth)
        try Self.check(growth, "of one frame", checkpoint)
        let stem = tensors["encoder.0.weight"]?.shape
        encoderWidth = stem?.first ?? 0
        guard stem != nil else {
            encoderPooling = nil
            return
        }
        var pooling: [Int] = []
        for level in 0..<Self.levels {
            let shape = try checkpoint.shape(of: "encoder.\(Self.encoderPool(of: level)).conv.weight", axes: 2)
            pooling.append(shape[1] / shape[0])
        }
        encoderPooling = pooling
        try Self.check(pooling, "one frame of", checkpoint)
    }

    private static func check(_ frames: [Int], _ what: String, _ checkpoint: Checkpoint) throws(NetworkError) {
        guard frames.allSatisfy({ 1...4 ~= $0 }) else {
            throw .unsupported(file: checkpoint.path, reason: "levels that make \(what) \(frames)")
        }
    }
}
