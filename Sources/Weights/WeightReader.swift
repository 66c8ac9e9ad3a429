import Synchronization
import Tensor

/// A view of a checkpoint under a key prefix. A network asks for each tensor by name and expected shape, so the code
/// path is the checkpoint path: what does not fit fails with the full key and both shapes, and what nobody asked for
/// is known afterwards.
package struct WeightReader: Sendable {
    package let checkpoint: Checkpoint
    private let prefix: String
    private let adapters: [Adapter]
    private let usage: Usage

    private final class Usage: Sendable {
        let keys = Mutex<Set<String>>([])
        let adapterModules = Mutex<Set<String>>([])
        let streamed = Mutex<[Weight]>([])
    }

    /// - Parameter adapters: low-rank updates that ride on the linear layers read through this reader.
    package init(_ checkpoint: Checkpoint, adapters: [Adapter] = []) {
        checkpoint.requestSmallTensors()
        self.init(checkpoint: checkpoint, prefix: "", adapters: adapters, usage: Usage())
    }

    private init(checkpoint: Checkpoint, prefix: String, adapters: [Adapter], usage: Usage) {
        self.checkpoint = checkpoint
        self.prefix = prefix
        self.adapters = adapters
        self.usage = usage
    }

    /// The reader of `prefix.name.`
    package func scope(_ name: String) -> WeightReader {
        WeightReader(checkpoint: checkpoint, prefix: "\(prefix)\(name).", adapters: adapters, usage: usage)
    }

    package func scope(_ name: String, _ index: Int) -> WeightReader { scope("\(name).\(index)") }

    package func contains(_ name: String) -> Bool { checkpoint.tensors[prefix + name] != nil }

    /// The tensor as it lies in the file.
    /// - Throws: `.missingTensor`, `.wrongShape` or `.wrongType`, with the full key.
    package func weight(_ name: String, _ shape: [Int]) throws(WeightError) -> Weight {
        let key = prefix + name
        guard var weight = checkpoint.tensors[key] else {
            throw .missingTensor(key: key, source: checkpoint.path)
        }
        // GGUF files have at most four axes, and some writers drop leading axes of one.
        if weight.shape.count < shape.count, weight.scales == nil, weight.count == shape.reduce(1, *),
            (shape.last ?? 1) % weight.type.blockElements == 0
        {
            weight = weight.reshaped(shape)
        }
        // A convolution of one cell is a linear layer.
        if weight.shape.count > shape.count, weight.shape.starts(with: shape),
            weight.shape.dropFirst(shape.count).allSatisfy({ $0 == 1 })
        {
            weight = weight.reshaped(shape)
        }
        guard weight.shape == shape else {
            throw .wrongShape(key: key, source: checkpoint.path, expected: shape, found: weight.shape)
        }
        guard weight.type.isFloatingPoint || weight.scales != nil else {
            throw .wrongType(key: key, source: checkpoint.path, found: weight.type.rawValue)
        }
        usage.keys.withLock { _ = $0.insert(key) }
        return weight
    }

    /// A small tensor (norm, bias, table) as float32, with the adapters' deltas added.
    package func vector(_ name: String, _ shape: [Int]) throws(WeightError) -> Tensor {
        let stored = try weight(name, shape)
        let value = Tensor.lasting { stored.widened() }
        let key = prefix + name
        for adapter in adapters {
            guard let delta = adapter.deltas[key] else { continue }
            guard delta.count == value.count else {
                throw .wrongShape(key: key, source: adapter.file, expected: shape, found: delta.shape)
            }
            usage.adapterModules.withLock { _ = $0.insert(key) }
            let change = delta.widened()
            value.withUnsafeMutable { value in
                change.withUnsafe { change in
                    for index in value.indices { value[index] += adapter.strength * change[index] }
                }
            }
        }
        return value
    }

    /// `name.weight` `[outputs, inputs]`, `name.bias` `[outputs]` if there should be one, and its adapters.
    /// - Parameters:
    ///   - storedShape: the shape in the file where it is not `[outputs, inputs]` (a convolution over patches).
    ///   - whole: of which layer it is a part in files of other tools; `AdapterTargets` does the same for adapters.
    package func linear(
        _ name: String, inputs: Int, outputs: Int, bias: Bool = true, storedShape: [Int]? = nil,
        partOf whole: FusedRows? = nil
    ) throws(WeightError) -> Linear {
        let low = try updates(of: name, inputs: inputs, outputs: outputs).map { update in
            Tensor.lasting { update.expanded() }
        }
        let layer: Linear
        if let whole, !contains("\(name).weight"), contains("\(whole.name).weight") {
            layer = Linear(
                weight: try weight("\(whole.name).weight", [whole.total, inputs]).slice(whole.rows),
                bias: bias ? try vector("\(whole.name).bias", [whole.total]).slice(whole.rows) : nil, adapters: low)
        } else {
            layer = Linear(
                weight: try weight("\(name).weight", storedShape ?? [outputs, inputs]).reshaped([outputs, inputs]),
                bias: bias ? try vector("\(name).bias", [outputs]) : nil, adapters: low)
        }
        let streamed = [layer.weight] + low.flatMap(\.weights)
        usage.streamed.withLock { $0 += streamed }
        return layer
    }

    /// What adapters add to a layer, each with its strength; a convolution counts with `in * kernel` inputs. Cores are not
    /// multiplied in before this says that the dimensions are the layer's.
    private func updates(of name: String, inputs: Int, outputs: Int) throws(WeightError) -> [LayerUpdate] {
        let module = prefix + name
        var found: [LayerUpdate] = []
        for adapter in adapters {
            var updates: [LayerUpdate] = []
            if let found = adapter.updates[module] {
                usage.adapterModules.withLock { _ = $0.insert(module) }
                updates = found
            }
            if let delta = adapter.deltas["\(module).weight"] {
                guard delta.count == inputs * outputs else {
                    throw .wrongShape(
                        key: "\(module).weight", source: adapter.file, expected: [outputs, inputs],
                        found: delta.shape)
                }
                usage.adapterModules.withLock { _ = $0.insert("\(module).weight") }
                updates.append(LayerUpdate(.whole(delta.reshaped([outputs, inputs])), scale: 1))
            }
            for update in updates {
                guard update.inputs == inputs, update.outputs == outputs else {
                    throw .wrongShape(
                        key: module, source: adapter.file, expected: [outputs, inputs],
                        found: [update.outputs, update.inputs])
                }
                found.append(update.scaled(by: adapter.strength))
            }
        }
        return found
    }

    /// `name.weight` and `name.bias` of a convolution, and its adapters; `kernel` is `[kt, kh, kw]` or, stored in 2-D,
    /// `[kh, kw]`. `frames` is more than 1 for a convolution stored in 2-D whose inputs are those of so many frames, the last
    /// frame first.
    package func convolution(
        _ name: String, inputs: Int, outputs: Int, kernel: [Int], bias: Bool = true, frames: Int = 1
    ) throws(WeightError) -> Convolution {
        let updates = try updates(of: name, inputs: inputs * kernel.reduce(1, *), outputs: outputs)
        return Convolution(
            weight: try weight("\(name).weight", [outputs, inputs * frames] + kernel),
            bias: bias ? try vector("\(name).bias", [outputs]) : nil, frames: frames, updates: updates)
    }

    /// `name.weight` `[channels, 1, side, side]` and `name.bias` of a convolution of each channel with itself.
    package func depthwise(
        _ name: String, channels: Int, side: Int, bias: Bool = true
    ) throws(WeightError) -> DepthwiseConvolution {
        DepthwiseConvolution(
            weight: try vector("\(name).weight", [channels, 1, side, side]),
            bias: bias ? try vector("\(name).bias", [channels]) : nil)
    }

    /// The weights of the linear layers in the order they were asked for, which is the order a network uses them in.
    /// They stay where they lie and each pass reads all of them; the rest is copied when a network is built, or is a
    /// table of which a few rows are read.
    package var streamed: [Weight] { usage.streamed.withLock { $0 } }

    /// Counts keys with these prefixes as read: parts of the file that this network has no use for.
    package func passOver(_ prefixes: [String]) {
        let keys = checkpoint.tensors.keys.filter { key in prefixes.contains { key.hasPrefix(prefix + $0) } }
        usage.keys.withLock { $0.formUnion(keys) }
    }

    /// Keys of the whole checkpoint that nothing has read through this reader or one of its scopes.
    package var unusedKeys: [String] {
        let used = usage.keys.withLock { $0 }
        return checkpoint.tensors.keys.filter { !used.contains($0) }.sorted()
    }

    /// Makes sure that every part of every adapter was put on some layer.
    /// - Throws: `.unusableAdapter` that names parts which fit nothing here.
    package func requireAdaptersUsed() throws(WeightError) {
        let used = usage.adapterModules.withLock { $0 }
        for adapter in adapters {
            let all = Set(adapter.updates.keys).union(adapter.deltas.keys)
            let lost = all.subtracting(used).sorted()
            guard let first = lost.first else { continue }
            throw .unusableAdapter(
                file: adapter.file,
                reason: "\(lost.count) of its \(all.count) modules are not of this network, e.g. \(first)")
        }
    }
}

/// The rows that a layer has in a larger one, which some files hold in place of several: `qkv` for queries, keys and values.
package struct FusedRows: Sendable {
    /// The name of the larger layer, in the scope of the reader.
    package let name: String
    package let rows: Range<Int>
    /// Rows of the larger layer.
    package let total: Int

    package init(_ name: String, rows: Range<Int>, of total: Int) {
        self.name = name
        self.rows = rows
        self.total = total
    }

    /// Part `index` of `count` of equal size.
    package init(_ name: String, part index: Int, of count: Int, rows: Int) {
        self.init(name, rows: index * rows..<(index + 1) * rows, of: count * rows)
    }
}
