import Foundation
import Jobs
import Media
import Pictures
import Pipelines
import Tensor

/// One generation from the prompt to the file, timed by stages.
struct GenerationTrial {
    let ran: RunRecord
    /// Frames to the file, and of that what happened while frames were decoded.
    let encodeSeconds, encodeSecondsWhileDecoding: Double
    /// What the first step of an expert took more than its later ones, over all changes of expert: reading its
    /// weights, and its keys and values of the prompt. Zero where an expert does one step only.
    let switchStall: Double
    let total: Double
    /// The most memory the process held in it; what is mapped and was read counts. Nil where the system does not tell.
    let peakResidentBytes: Int?
    let joules: Double?
    let mediaBytes: Int
    let frames: [RGBImage]

    /// - Parameter request: one that `validate(for:)` accepts, of one image or clip.
    init(
        _ request: GenerationRequest, _ model: Pipeline, meter: ResourceMeter, scratch: String,
        now: @escaping () -> Double
    ) throws {
        meter.start()
        let start = now()
        var run = try Run(request.parameters(), of: model)
        var observer = RunObserver()
        observer.now = now
        let notes = FileNotes(request, image: 0, ran: RunRecord(of: run), generator: Provenance.phasor)
        let encoder =
            request.kind == .video
            ? try MP4Encoder(
                path: scratch, width: request.width, height: request.height,
                options: request.videoOptions(notes)) : nil
        var encoding = 0.0
        var images: [RGBImage] = []
        ran = try run.finish(observer) { frames in
            for image in try frames.images() {
                let began = now()
                try encoder?.append(image)
                encoding += now() - began
                images.append(image)
            }
        }
        encodeSecondsWhileDecoding = encoding
        let began = now()
        if let encoder {
            try encoder.finish()
            mediaBytes = (try? FileManager.default.attributesOfItem(atPath: scratch)[.size] as? Int) ?? 0
            unlink(scratch)
        } else {
            mediaBytes = try images.first.map { try request.file(of: $0, notes).count } ?? 0
        }
        encodeSeconds = encoding + now() - began
        total = now() - start
        (joules, peakResidentBytes) = meter.stop()
        switchStall = Self.stall(ran.steps)
        frames = images
    }

    private static func stall(_ steps: [RunRecord.Step]) -> Double {
        var total = 0.0
        var rest = steps[...]
        while let first = rest.first {
            let run = rest.prefix { $0.expert == first.expert }
            let later = run.dropFirst().map(\.seconds)
            if !later.isEmpty { total += max(first.seconds - Summary.quantile(0.5, of: later), 0) }
            rest = rest.dropFirst(run.count)
        }
        return total
    }
}
