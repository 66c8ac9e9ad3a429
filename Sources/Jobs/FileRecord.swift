import Foundation
import Media
import Pipelines

/// All that a job's row knows of the making of one file, in the file itself: so the rows of a lost database can be made
/// again. Beside the text for other programs (`FileMetadata`), which cannot be read back without doubt.
///
/// The same picture has the same record, whatever it was made beside: of several images each stands as if it had been
/// asked for alone. Neither ids, times nor API keys are in it.
package struct FileRecord: Codable, Equatable {
    let request: GenerationRequest
    /// Steps that were done: of a picture that is changed by strength only the last of those that the request counts.
    let steps: Int

    /// - Parameter ran: what made the file; what the request left to the model is settled by it.
    package init(_ request: GenerationRequest, image: Int, ran: RunRecord) {
        var request = request
        request.generator = ran.generator
        request.steps = ran.requestedSteps
        request.seed = request.seed(ofImage: image)
        request.count = 1
        request.previews = 0
        if ran.decoder == .tiny { request.decoder = .tiny }
        if request.kind == .image { request.fps = Self.imageFPS }
        self.request = request
        steps = ran.stepCount
    }

    /// An image ignores it.
    private static let imageFPS = 16

    package var text: String {
        let encoder = JSONEncoder()
        encoder.outputFormatting = [.sortedKeys, .withoutEscapingSlashes]
        // Numbers of a request are finite, so it always has a JSON.
        return (try? encoder.encode(self)).map { String(decoding: $0, as: UTF8.self) } ?? ""
    }

    /// What a finished file says of its making.
    /// - Throws: `MediaError` for a file that cannot be read; `Fault` for one that says nothing.
    init(path: String) throws {
        let notes = try FileNotes(path: path)
        if let text = notes.record {
            guard let record = try? JSONDecoder().decode(Self.self, from: Data(text.utf8)) else { throw Fault.unknown }
            self = record
            return
        }
        // Of a version that wrote no record.
        guard let text = notes.parameters,
            let record = Self(metadata: text, kind: FileType(path: path) == .mp4 ? .video : .image)
        else { throw Fault.noRecord }
        self = record
    }

    enum Fault: Error, CustomStringConvertible {
        case noRecord, unknown

        var description: String {
            switch self {
            case .noRecord: "it does not say how it was made"
            case .unknown: "what it says of its making is of another version"
            }
        }
    }

    /// Reads what `FileMetadata` writes. A prompt that contains a line of that form is cut there.
    private init?(metadata: String, kind: GenerationRequest.Kind) {
        var lines = metadata.split(separator: "\n", omittingEmptySubsequences: false).map(String.init)
        guard let last = lines.popLast() else { return nil }
        var values: [String: String] = [:]
        for pair in last.components(separatedBy: ", ") {
            guard let colon = pair.firstRange(of: ": ") else { return nil }
            values[String(pair[..<colon.lowerBound])] = String(pair[colon.upperBound...])
        }
        let sides = (values["Size"] ?? "").split(separator: "x").compactMap { Int($0) }
        guard let steps = values["Steps"].flatMap({ Int($0) }), let seed = values["Seed"].flatMap({ UInt64($0) }),
            let model = values["Model"], sides.count == 2, sides.allSatisfy({ $0 > 0 })
        else { return nil }
        let mark = "Negative prompt: "
        let negative = lines.lastIndex { $0.hasPrefix(mark) }
        let prompt = lines[..<(negative ?? lines.count)].joined(separator: "\n")
        let tags = try? LoRATags(prompt)
        let first = values["CFG scale"].flatMap { Float($0) }
        request = GenerationRequest(
            kind: kind, prompt: tags?.prompt ?? prompt,
            negativePrompt: negative.map { String(lines[$0...].joined(separator: "\n").dropFirst(mark.count)) },
            model: model, generator: values["Generator"], width: sides[0], height: sides[1],
            frames: max(1, values["Frames"].flatMap { Int($0) } ?? 1),
            fps: max(1, values["FPS"].flatMap { Int($0) } ?? 16),
            seed: seed, steps: steps, guidanceScale: first, guidanceScale2: values["CFG scale 2"].flatMap { Float($0) },
            loras: tags?.loras ?? [])
        self.steps = steps
    }
}
