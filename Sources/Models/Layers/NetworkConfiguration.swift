import Weights

/// A network's dimensions: what its `config.json` says, else what the shapes of its tensors tell.
package protocol NetworkConfiguration: Decodable, Sendable {
    /// Derives the configuration of a checkpoint without a `config.json`; its keys are diffusers'.
    init(shapesOf checkpoint: Checkpoint) throws(NetworkError)

    /// Whether a configuration that came with weights is diffusers', whose fields these are.
    static func reads(_ configuration: Checkpoint.Configuration) throws(NetworkError) -> Bool

    /// Refuses numbers no real network has, and what is not built.
    func check(file: String) throws(NetworkError)
}

extension NetworkConfiguration {
    package static func reads(_ configuration: Checkpoint.Configuration) throws(NetworkError) -> Bool { true }

    package static func read(_ file: String) throws(NetworkError) -> Self {
        let config = try decodeConfiguration(Self.self, at: file)
        try config.check(file: file)
        return config
    }

    /// What came with the weights, else what their shapes tell.
    /// - Throws: `NetworkError` that names the file and the field or key.
    package static func of(_ checkpoint: Checkpoint) throws(NetworkError) -> Self {
        guard let configuration = checkpoint.configuration, try reads(configuration) else {
            let config = try Self(shapesOf: checkpoint)
            try config.check(file: checkpoint.path)
            return config
        }
        let config = try decodeConfiguration(Self.self, configuration)
        try config.check(file: configuration.source)
        return config
    }
}

extension Checkpoint {
    /// The shape of a tensor that dimensions are told from; no extent is 0.
    func shape(of key: String, axes: Int = 1) throws(NetworkError) -> [Int] {
        guard let shape = tensors[key]?.shape, shape.count >= axes, !shape.contains(0) else {
            throw .badConfiguration(
                file: path, reason: "no config.json, and no tensor \"\(key)\" to tell dimensions from")
        }
        return shape
    }
}
