import Foundation
import Tensor
import Testing
import Weights

/// A file of linear layers, 1 MB each, in a reader's order.
private final class LayerFile {
    let path: String
    let layers: [Weight]

    init(layers count: Int) throws {
        path = FileManager.default.temporaryDirectory.appendingPathComponent("phasor-\(UUID().uuidString)").path
        let tensors = (0..<count).map { index in
            // The bias puts what follows at an address that begins no page.
            [
                ("\(index).weight", Tensor((0..<512 * 512).map { Float($0 % 1000 + index) }, shape: [512, 512])),
                ("\(index).bias", Tensor([Float](repeating: 1, count: 3), shape: [3])),
            ]
        }
        try SafetensorsWriter.write(tensors.flatMap { $0 }, to: path)
        let handle = try FileHandle(forUpdating: URL(fileURLWithPath: path))
        try handle.synchronize()
        let file = try Safetensors(path: path)
        layers = try (0..<count).map { try #require(file.tensors["\($0).weight"]) }
    }

    deinit { try? FileManager.default.removeItem(atPath: path) }

    /// Bytes of the file in the page cache.
    var cached: Int {
        get throws {
            let file = try MappedFile(path: path)
            let pages = (file.bytes.count + 4095) / 4096
            var present = [UInt8](repeating: 0, count: pages)
            mincore(UnsafeMutableRawPointer(mutating: file.bytes.baseAddress), file.bytes.count, &present)
            return present.reduce(0) { $0 + Int($1 & 1) } * 4096
        }
    }
}

@Suite struct ResidencyTests {
    /// The sum of the last layer is of interest only in that it reads all of them.
    private func read(_ weight: Weight, is index: Int) {
        let values = weight.widened()
        #expect(values.withUnsafe { $0[0] == Float(index) && $0[999] == Float(999 + index) })
    }

    private func residency(_ budget: Int, _ loading: WeightLoading = .mmap) -> Residency {
        Residency(budget: budget, loading: loading, memory: { ProcessMemory() })
    }

    @Test(arguments: WeightLoading.allCases)
    func aFileLargerThanTheBudgetIsReadWhole(loading: WeightLoading) throws {
        let file = try LayerFile(layers: 48)
        let residency = residency(20 << 20, loading)
        let id = residency.add(model: "m", part: "a", file.layers)
        residency.expect([id, id, id], among: [id])
        for _ in 0..<3 {
            try residency.pass(through: id) {
                for (index, layer) in file.layers.enumerated() { read(layer, is: index) }
            }
            let report = residency.report
            #expect(report.residents[0].bytesHere <= 20 << 20)
            #expect(report.residents[0].bytes == 48 << 20)
        }
        let tally = residency.report.tally
        #expect(tally.peakBytes <= 20 << 20)
        #expect(tally.bytesRead >= (48 + 2 * 28) << 20)
        #expect(tally.bytesMet + tally.bytesMissed == 3 * 48 << 20)
    }

    /// As the kernel sees it: what has left is in no cache any more, what is read is not there twice.
    @Test(arguments: WeightLoading.allCases) func memoryIsReallyGivenBack(loading: WeightLoading) throws {
        let file = try LayerFile(layers: 48)
        let residency = residency(16 << 20, loading)
        let id = residency.add(model: "m", part: "a", file.layers)
        // A first pass makes the file leave the cache, if it is on a file system that has one.
        for pass in 0..<3 {
            residency.expect([id, id], among: [id])
            try residency.pass(through: id) {
                for (index, layer) in file.layers.enumerated() {
                    read(layer, is: index)
                    guard pass > 0, index % 8 == 0 else { continue }
                    // Read-ahead of the kernel goes beyond what was asked for.
                    let cached = try file.cached
                    #expect(cached <= (loading == .mmap ? 16 : 0) << 20 + 9 << 20)
                }
            }
        }
    }

    @Test func twoResidentsTakeTurns() throws {
        let (high, low) = (try LayerFile(layers: 24), try LayerFile(layers: 24))
        let residency = residency(32 << 20)
        let a = residency.add(model: "m", part: "high", high.layers)
        let b = residency.add(model: "m", part: "low", low.layers)
        func pass(_ id: Residency.ID, _ file: LayerFile) throws {
            try residency.pass(through: id) {
                for (index, layer) in file.layers.enumerated() { read(layer, is: index) }
            }
        }
        residency.expect([a, a, b, b], among: [a, b])
        try pass(a, high)
        #expect(residency.report.residents.map(\.part) == ["high", "low"])
        try pass(a, high)
        try pass(b, low)
        try pass(b, low)
        let report = residency.report
        #expect(report.residents.map(\.switches.count) == [1, 1])
        #expect(report.tally.peakBytes <= 32 << 20)
        #expect(report.residents[1].bytesHere == 24 << 20)
    }

    /// The file is cut while it is in use: the pass fails, with the file's name, and the process goes on.
    /// Experts that are LoRA files on one base read the base's weights in turns with their own. Pieces hold several weights,
    /// those of the first expert's LoRA among them, and a pass comes by a shared one many times.
    @Test func whatIsSharedCountsOnceForEach() throws {
        let (base, high, low) = try (LayerFile(layers: 12), LayerFile(layers: 3), LayerFile(layers: 2))
        func expert(_ own: LayerFile) -> [Weight] {
            base.layers.enumerated().flatMap { index, layer in
                [layer] + (index < own.layers.count ? [own.layers[index]] : []) + [base.layers[0]]
            }
        }
        let residency = residency(64 << 20)
        let ids = [high, low].enumerated().map { residency.add(model: "m", part: "\($0)", expert($1)) }
        let megabyte = 512 * 512 * 4
        #expect(residency.report.residents.map(\.bytes) == [15 * megabyte, 14 * megabyte])
        #expect(residency.report.residents.allSatisfy { $0.bytesHere <= $0.bytes })
        residency.expect(ids, among: Set(ids))
        for (id, own) in zip(ids, [high, low]) {
            try residency.pass(through: id) {
                for layer in expert(own) { _ = layer.widened() }
            }
        }
        #expect(residency.report.residents.map(\.bytesHere) == [15 * megabyte, 14 * megabyte])
    }

    @Test(arguments: WeightLoading.allCases) func aFileThatIsCutEndsThePass(loading: WeightLoading) throws {
        let (file, other) = (try LayerFile(layers: 24), try LayerFile(layers: 8))
        let residency = residency(64 << 20, loading)
        let id = residency.add(model: "m", part: "a", file.layers)
        let whole = residency.add(model: "m", part: "b", other.layers)
        #expect(truncate(file.path, 12 << 20) == 0)
        for _ in 0..<2 {
            residency.expect([id, whole], among: [id, whole])
            var blocks = 0
            let error = #expect(throws: WeightError.self) {
                try residency.pass(through: id) {
                    for layer in file.layers {
                        try residency.check()
                        _ = layer.widened()
                        blocks += 1
                    }
                }
            }
            let message = try #require(error).description
            #expect(message.contains(file.path))
            #expect(blocks < 24)
        }
        try residency.pass(through: whole) {
            for (index, layer) in other.layers.enumerated() { read(layer, is: index) }
        }
    }

    /// Nobody waits for a residency that has ended.
    @Test func weightsOutliveTheirResidency() throws {
        let file = try LayerFile(layers: 4)
        _ = residency(1 << 20).add(model: "m", part: "a", file.layers)
        for (index, layer) in file.layers.enumerated() { read(layer, is: index) }
    }
}
