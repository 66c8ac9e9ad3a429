import Media
import Pipelines
import Serving

/// Makes the requests of a line.
struct LineReader {
    let model: Pipeline
    let defaults: Manifest.Defaults

    /// Fields that mean something for clips only.
    private static let ofClips = ["fps", "codec", "crf", "preset", "pixel_format"]

    /// - Returns: nothing if anything is wrong, which is then noted in `line`.
    mutating func items(_ line: inout ManifestLine) -> [Manifest.Item] {
        let before = line.faults.count
        let sizes = model.sizes
        let given = line.choice("kind", GenerationRequest.Kind.self)
        let frames = line.integer(RequestFields.frames)
        let kind = given ?? ((frames ?? 1) > 1 ? .video : .image)
        let prompt = line.prompt(RequestFields.prompt)
        if !line.has("prompt") {
            line.fault("prompt", "it is missing")
        } else if let prompt, prompt.unicodeScalars.allSatisfy(\.properties.isWhitespace) {
            line.fault("prompt", "it is empty")
        }
        let size = line.size("size")
        let seeds = line.seeds("seed", atMost: Manifest.mostFiles)
        let count = line.integer(RequestFields.fileCount) ?? 1
        let last = RequestFields.seeds.upperBound
        if let seeds, seeds.upperBound > last - (count - 1) {
            line.fault("seed", "\(seeds.upperBound) with n \(count) goes beyond the last seed, \(last)")
        }
        let template = template(&line, kind)
        if kind == .image {
            for name in Self.ofClips where line.has(name) {
                line.fault(name, "it is for clips; this line makes images")
            }
        }
        var request = GenerationRequest(
            kind: kind, prompt: prompt ?? "", negativePrompt: line.prompt(RequestFields.negativePrompt),
            model: model.id,
            generator: line.string("generator") ?? defaults.generator ?? model.generators.defaultName,
            width: size?.width ?? sizes.defaultWidth, height: size?.height ?? sizes.defaultHeight,
            frames: kind == .image ? frames ?? 1 : frames ?? sizes.defaultFrames,
            fps: sizes.defaultFPS, seed: UInt64(seeds?.lowerBound ?? 0),
            steps: line.integer(RequestFields.stepCount),
            guidanceScale: line.number(RequestFields.guidanceScale).map { Float($0) },
            guidanceScale2: line.number(RequestFields.guidanceScale2).map { Float($0) },
            loras: line.loras("loras"))
        if kind == .video {
            request.fps = line.integer(RequestFields.fps) ?? defaults.fps ?? sizes.defaultFPS
            request.codec = line.choice("codec", VideoOptions.Codec.self) ?? defaults.codec
            request.crf = line.integer(RequestFields.crf) ?? defaults.crf
            request.preset = line.string("preset") ?? defaults.preset
            request.pixelFormat = line.choice("pixel_format", VideoOptions.PixelFormat.self) ?? defaults.pixelFormat
        }
        guard line.faults.count == before, let template else { return [] }
        do {
            _ = try request.validate(for: model)
            request = try request.settled(for: model)
        } catch ServingError.invalid(let field, let reason) {
            line.fault(RequestFields.name(of: field, for: .manifest), reason)
        } catch {
            line.fault(nil, "\(error)")
        }
        guard line.faults.count == before else { return [] }
        let (files, overflow) = (seeds ?? 0...0).count.multipliedReportingOverflow(by: count)
        guard !overflow, files <= Manifest.mostFiles else {
            line.fault(
                "n",
                "\(count) for each of \(seeds?.count ?? 1) seeds are too many files; a manifest may have \(Manifest.mostFiles)"
            )
            return []
        }
        return items(line.line, request, seeds ?? 0...0, count, template)
    }

    /// `n` pictures of a seed have that seed and those after it, as over HTTP.
    private func items(
        _ line: Int, _ request: GenerationRequest, _ seeds: ClosedRange<Int>, _ count: Int, _ template: NameTemplate
    ) -> [Manifest.Item] {
        var items: [Manifest.Item] = []
        for seed in seeds {
            for offset in 0..<count {
                var request = request
                request.seed = UInt64(seed) &+ UInt64(offset)
                let file = template.name(line: line, index: items.count, seed: request.seed)
                items.append(Manifest.Item(line: line, index: items.count, file: file, request: request))
            }
        }
        return items
    }

    private func template(_ line: inout ManifestLine, _ kind: GenerationRequest.Kind) -> NameTemplate? {
        let given = line.string("file")
        guard given != nil || !line.has("file") else { return nil }
        do throws(NameTemplate.Fault) {
            return try NameTemplate(given ?? "{line}-{seed}", ending: kind == .image ? "png" : "mp4")
        } catch {
            line.fault("file", error.reason)
            return nil
        }
    }
}
