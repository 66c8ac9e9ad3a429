import Foundation
import Models
import Support
import Synchronization
import Weights

/// What stands for the weights of a model's parts, by their content: a digest of an expert covers its base and the LoRA
/// files on it, a digest of the text side its tokenizer. Rendered files, checkpoints, stored embeddings and reports all
/// compare these.
///
/// Digests are computed when they are first asked for, once for each part.
package final class PartIdentities: Sendable {
    private let sources: [Part: @Sendable () -> String]
    private let known = Mutex<[Part: String]>([:])

    package init(_ sources: [Part: @Sendable () -> String]) {
        self.sources = sources
    }

    /// 64 hexadecimal digits; empty for a part that is not there.
    package func digest(of part: Part) -> String {
        if let digest = known.withLock({ $0[part] }) { return digest }
        let digest = sources[part]?() ?? ""
        known.withLock { $0[part] = digest }
        return digest
    }

    /// The digest of an expert: its base, and the LoRA files that it was opened with.
    static func expert(_ base: Checkpoint, _ adapters: [(Checkpoint, strength: Float)]) -> String {
        let lines = [base.contentDigest] + adapters.map { "\($0.contentDigest) \($1)" }
        return SHA256.hexadecimal(of: Array(lines.joined(separator: "\n").utf8))
    }

    /// The digest of a text side: its encoders, and the files in the folders of its tokenizers.
    static func text(_ encoders: [Checkpoint], tokenizers: [URL]) -> String {
        var lines = encoders.map(\.contentDigest)
        for folder in tokenizers {
            for name in ((try? FileManager.default.contentsOfDirectory(atPath: folder.path)) ?? []).sorted() {
                let content = FileManager.default.contents(atPath: folder.appending(path: name).path) ?? Data()
                lines.append("\(name) \(SHA256.hexadecimal(of: content))")
            }
        }
        return SHA256.hexadecimal(of: Array(lines.joined(separator: "\n").utf8))
    }
}
