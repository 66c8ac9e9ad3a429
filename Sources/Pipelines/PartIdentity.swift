import Foundation
import Tensor

/// What decides the numbers that a part of a model gives, so that they can be kept across processes.
struct PartIdentity {
    private let arithmetic: String

    init(_ compute: Compute) {
        // Results agree to the bit only within these.
        arithmetic = "\(compute.instructions) \(compute.precision.rawValue)"
    }

    /// Paths, sizes and times of change of files as they are now.
    /// - Parameters:
    ///   - weights: files of weights; a `config.json` beside one counts as well.
    ///   - folder: all files in it count.
    ///   - notes: what else matters.
    func of(weights: [String], folder: String? = nil, notes: [String] = []) -> String {
        let configs = Set(weights.map { "\(($0 as NSString).deletingLastPathComponent)/config.json" }).sorted()
        let inside = folder.map { folder in
            ((try? FileManager.default.contentsOfDirectory(atPath: folder)) ?? []).sorted().map { "\(folder)/\($0)" }
        }
        let lines = (weights + configs + (inside ?? [])).map { path in
            var status = stat()
            guard stat(path, &status) == 0 else { return "\(path) -" }
            return "\(path) \(status.st_size) \(status.st_mtim.tv_sec).\(status.st_mtim.tv_nsec)"
        }
        return ([arithmetic] + lines + notes).joined(separator: "\n")
    }
}
