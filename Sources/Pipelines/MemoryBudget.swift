import Foundation
import Support

/// How much memory the process may take.
package enum MemoryBudget: Sendable, Equatable {
    /// What the system has for the process, less a part for what else runs.
    case automatic
    case bytes(Int)
    /// No budget: the system decides what stays in memory.
    case off

    /// `auto`, `off`, or a size such as `12GB`, `900MB`, `8GiB`.
    package init?(_ text: String) {
        let text = text.trimmingCharacters(in: .whitespaces).lowercased()
        switch text {
        case "auto": self = .automatic
        case "off": self = .off
        default:
            let units = [
                ("gib", 1_073_741_824.0), ("mib", 1_048_576), ("gb", 1e9), ("mb", 1e6), ("g", 1e9), ("m", 1e6),
            ]
            guard let (unit, factor) = units.first(where: { text.hasSuffix($0.0) }),
                let number = Double(text.dropLast(unit.count).trimmingCharacters(in: .whitespaces)),
                number > 0, number * factor < 1e18
            else { return nil }
            self = .bytes(Int(number * factor))
        }
    }

    /// Bytes; nil for no budget.
    package var limit: Int? {
        switch self {
        case .bytes(let bytes): bytes
        case .off: nil
        case .automatic: Self.available / 8 * 7
        }
    }

    /// The lowest of the machine's memory and the limits of the control groups that the process is in.
    package static var available: Int {
        min(Int(clamping: ProcessInfo.processInfo.physicalMemory), ControlGroups.current.memory ?? .max)
    }
}
