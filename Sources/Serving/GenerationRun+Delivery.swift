import Diffusion
import Foundation
import Jobs
import Media
import Pictures
import Pipelines
import Tensor

/// Turns the denoised latents into whole files, and writes the row that says so.
extension GenerationRun {
    func deliver() throws {
        // Whatever the disk refuses is done again from the latents, which are not lost.
        try workshop.retry.run(interrupt: signal.check) {
            let names = request.kind == .image ? try writeImages() : [try writeVideo()]
            let saving = ContinuousClock.now
            let sizes = try workshop.store.artifacts.publish(names)
            try workshop.store.upload(names)
            job.timings.encode = (job.timings.encode ?? 0) + saving.seconds
            try finish(names: names, sizes: sizes)
        }
        workshop.metrics.observe("phasor_decode_seconds", "Latents to frames.", [:], job.timings.decode ?? 0)
        workshop.metrics.observe("phasor_encode_seconds", "Frames to a file on disk.", [:], job.timings.encode ?? 0)
    }

    private func finish(names: [String], sizes: [Int]) throws {
        var finished = job
        finished.state = .succeeded
        finished.finishedAt = .storable
        finished.artifacts = zip(names, sizes).map { name, bytes in
            Artifact(
                id: (name as NSString).deletingPathExtension, job: id,
                contentType: request.fileType.contentType, bytes: bytes,
                path: workshop.store.artifacts.path(of: name), isExpired: false)
        }
        finished.expiresAt = workshop.store.expiry(of: finished)
        try workshop.store.finish(finished)
        job = finished
    }

    func suspend() {
        save()
        removeUnfinished()
        workshop.store.suspend(id)
    }

    func discard() {
        siblings.remove(self)
        workshop.store.checkpoints.remove([id])
        removeUnfinished()
    }

    private func removeUnfinished() {
        workshop.store.artifacts.removeAside((0..<request.count).map(name(ofFile:)))
    }

    private func name(ofFile index: Int) -> String { "\(id)-\(index).\(request.fileType.rawValue)" }

    private func notes(_ image: Int) -> FileNotes {
        FileNotes(request, image: image, ran: RunRecord(of: runs[image]), generator: workshop.generator)
    }

    // MARK: Images

    /// - Returns: the names of the files, which are aside.
    private func writeImages() throws -> [String] {
        tell(.decoding)
        let decoding = ContinuousClock.now
        let images = try runs.map { try image(of: $0) }
        job.timings.decode = decoding.seconds
        tell(.encoding)
        let encoding = ContinuousClock.now
        var names: [String] = []
        for (index, image) in images.enumerated() {
            try signal.check()
            names.append(name(ofFile: index))
            try workshop.store.artifacts.write(request.file(of: image, notes(index)), as: names[index])
        }
        job.timings.encode = encoding.seconds
        return names
    }

    /// The only frame of an image.
    private func image(of run: Run) throws -> RGBImage {
        var image: RGBImage?
        try run.decode(interrupt: signal.check) { frames in
            if image == nil { image = try frames.slice(0..<1).images().first }
        }
        guard let image else { throw MediaError.noFrames(path: name(ofFile: 0)) }
        return try request.scaled(image)
    }

    /// Returns a preview of an estimate of x0 `[C, F, H, W]`, as a file.
    func preview(of estimate: Tensor) throws -> [UInt8] {
        guard let image = try model.preview(of: estimate, interrupt: signal.check).images().first else {
            throw MediaError.noFrames(path: name(ofFile: 0))
        }
        let notes = FileNotes(provenance: Provenance(workshop.generator, of: request))
        return try request.file(of: request.scaled(image), notes)
    }

    // MARK: Video

    /// Encodes frames as they are decoded; they are never all held.
    /// - Returns: the name of the file, which is aside.
    private func writeVideo() throws -> String {
        let name = name(ofFile: 0)
        let start = ContinuousClock.now
        var encoding = 0.0
        tell(.decoding)
        let size = request.deliveredSize
        let encoder = try MP4Encoder(
            path: workshop.store.artifacts.pathAside(of: name), width: size.width, height: size.height,
            options: request.videoOptions(notes(0)))
        try runs[0].decode(interrupt: signal.check) { frames in
            if encoder.frameCount == 0 { tell(.encoding) }
            for image in try frames.images() {
                try signal.check()
                let began = ContinuousClock.now
                try encoder.append(request.scaled(image))
                encoding += began.seconds
            }
        }
        guard encoder.frameCount == request.frames else {
            throw MediaError.ffmpeg(
                operation: "coding \(name)", reason: "\(encoder.frameCount) frames came instead of \(request.frames)")
        }
        let began = ContinuousClock.now
        try encoder.finish()
        encoding += began.seconds
        job.timings.encode = encoding
        job.timings.decode = start.seconds - encoding
        return name
    }
}
