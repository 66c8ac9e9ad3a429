import Foundation
import Models
import Support
import Synchronization
import Tensor
import Weights

/// The text side of a model with LoRA files on it: built unmerged over the encoders that the model has mapped, which are not
/// touched. A few are kept, for all who use them.
final class AdaptedTexts: Sendable {
    /// What the text side is built from.
    struct Source: Sendable {
        /// The weights in the order of the family's `textEncoders`.
        let weights: [Checkpoint]
        let tokenizer: @Sendable (String) throws -> URL
    }

    /// Files that change text encoders, by the expert that the model has them on.
    private let own: [String: [TextSide.OwnFile]]
    private let files: [TextSide.OwnFile: Checkpoint]
    private let library: LoRALibrary?
    private let source: Source
    private let family: any ModelFamily
    private let compute: Compute
    private let recent = Mutex(RecentlyUsed<TextSide, any PromptEncoder>(capacity: 8))

    /// - Parameter opened: the LoRA files that the model was opened with, by expert.
    init(
        _ library: LoRALibrary?, opened: [String: [(file: Checkpoint, strength: Float)]], source: Source,
        family: any ModelFamily, compute: Compute
    ) {
        let changing = opened.mapValues { $0.filter { Adapter.hasTextKeys(in: $0.file) && $0.strength != 0 } }
        own = changing.mapValues { $0.map { TextSide.OwnFile(path: $0.file.path, strength: $0.strength) } }
        files = Dictionary(
            changing.values.flatMap(\.self).map {
                (TextSide.OwnFile(path: $0.file.path, strength: $0.strength), $0.file)
            }, uniquingKeysWith: { first, _ in first })
        self.library = library
        self.source = source
        self.family = family
        self.compute = compute
    }

    /// A file that several experts of a plan have on them changes the text once.
    func side(of experts: [String], loras: [LoRA]) -> TextSide {
        var unique: [TextSide.OwnFile] = []
        for file in experts.flatMap({ own[$0] ?? [] }) where !unique.contains(file) { unique.append(file) }
        return TextSide(own: unique, loras: loras)
    }

    /// What stands for the files by their content, with their strengths.
    func digests(of side: TextSide) -> [String] {
        side.own.map { "\(files[$0]?.contentDigest ?? "") \($0.strength)" }
            + side.loras.map { "\($0.digest ?? "") \($0.strength)" }
    }

    /// - Throws: `WeightError` if a file of the model does not fit, `ModelError` if one of a request does not or is not what
    ///   it was when the request was settled.
    func encoder(of side: TextSide) throws -> any PromptEncoder {
        if let known = recent.withLock({ $0.value(of: side) }) { return known }
        let opened = side.own.compactMap { own in files[own].map { (file: $0, strength: own.strength) } }
        let named = try side.loras.map { lora in
            guard let library else { throw ModelError.noSuchLoRA(name: lora.name, known: []) }
            return (file: try library.file(of: lora).checkpoint, strength: lora.strength)
        }
        do {
            let readers = try family.textReaders(source.weights, loras: opened + named)
            let encoder = try family.promptEncoder(readers, tokenizer: source.tokenizer, compute: compute)
            for reader in readers.values { try reader.requireAdaptersUsed() }
            recent.withLock { $0.keep(encoder, as: side) }
            return encoder
        } catch let error as WeightError {
            throw library.map { $0.unusable(error) as any Error } ?? error
        }
    }
}
