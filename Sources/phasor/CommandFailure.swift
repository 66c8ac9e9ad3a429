import ArgumentParser
import Foundation
import Jobs

/// How an error of a command is told: a sentence, and for wrong arguments the usage of that very command.
struct CommandFailure {
    private let command: any ParsableCommand.Type
    private let error: any Error

    init(_ error: any Error, of command: any ParsableCommand.Type) {
        self.command = command
        self.error = (error as? ServingError)?.asArgument ?? error
    }

    /// What goes to standard error; nil where everything has been said.
    var message: String? {
        switch error {
        case is ExitCode: nil
        case let error as ValidationError: "\(error.message)\n\(usage)"
        default: Self.words(of: error)
        }
    }

    var exitCode: Int32 { Phasor.exitCode(for: error).rawValue }

    private var usage: String {
        let names = Phasor.path(to: command).joined(separator: " ")
        return "Usage: \(Phasor.usageString(for: command))\n  See '\(names) --help' for more information."
    }

    /// An error in a sentence. Ours are; what Foundation throws says neither the file nor the reason by itself.
    static func words(of error: any Error) -> String {
        switch error {
        case let error as CocoaError:
            let path = error.userInfo[NSFilePathErrorKey] as? String ?? (error.userInfo[NSURLErrorKey] as? URL)?.path
            let underlying = (error.userInfo[NSUnderlyingErrorKey] as? NSError)
                .flatMap { $0.domain == NSPOSIXErrorDomain ? String(cString: strerror(Int32($0.code))) : nil }
            return [path, underlying ?? reason(error.code)].compactMap(\.self).joined(separator: ": ")
        case let error as POSIXError: return String(cString: strerror(error.code.rawValue))
        case let error as DecodingError: return words(of: error)
        case is CancellationError: return "cancelled"
        default: return "\(error)"
        }
    }

    private static func reason(_ code: CocoaError.Code) -> String {
        switch code {
        case .fileNoSuchFile, .fileReadNoSuchFile: "no such file or folder"
        case .fileReadNoPermission, .fileWriteNoPermission: "no permission"
        case .fileWriteOutOfSpace: "no space left on the disk"
        case .fileWriteFileExists: "it is there already"
        case .fileReadCorruptFile, .propertyListReadCorrupt: "it is damaged, or of another format"
        case .fileReadInapplicableStringEncoding: "it is not UTF-8"
        default: "it cannot be read or written"
        }
    }

    private static func words(of error: DecodingError) -> String {
        func place(_ path: [any CodingKey]) -> String {
            path.map { $0.intValue.map { "[\($0)]" } ?? $0.stringValue }.joined(separator: ".")
        }
        switch error {
        case .keyNotFound(let key, let context): return "\(place(context.codingPath + [key])) is missing"
        case .valueNotFound(_, let context): return "\(place(context.codingPath)) is empty"
        case .typeMismatch(let type, let context): return "\(place(context.codingPath)) is not of type \(type)"
        case .dataCorrupted(let context):
            return context.codingPath.isEmpty
                ? "not valid JSON" : "\(place(context.codingPath)): \(context.debugDescription)"
        @unknown default: return "\(error)"
        }
    }
}

extension ServingError {
    /// The flags of the command line, by the fields of the API that say the same.
    private static let flags = Dictionary(
        RequestFields.taken(by: .generate).map { ($0.name, $0.flag(of: .generate)) }
            + [("model", "--model"), ("prompt", "the prompt"), ("loras", "the prompt's <lora:...>")],
        uniquingKeysWith: { first, _ in first })

    /// What is wrong with the arguments, by the names that the user gave them.
    var asArgument: any Error {
        guard case .invalid(let field, var reason) = self else { return self }
        // Some reasons speak of a field by its name; "size" or "model" in one is a word.
        let names = Self.flags.filter { $0.key.contains("_") }.sorted { $0.key.count > $1.key.count }
        for (name, flag) in names { reason = reason.replacing(name, with: flag) }
        let flag = Self.flags[field] ?? field
        return ValidationError(reason.hasPrefix(flag + " ") ? reason : "\(flag): \(reason)")
    }
}
