import Jobs
import Media
import Pictures
import Pipelines

/// Makes the requests of a line.
struct LineReader {
    let model: Pipeline
    let defaults: Manifest.Defaults
    private var pictures: NamedPictures

    init(model: Pipeline, defaults: Manifest.Defaults) {
        self.model = model
        self.defaults = defaults
        pictures = NamedPictures(folder: defaults.folder)
    }

    /// Fields that mean something for clips only.
    private static let ofClips = ["fps", "codec", "crf", "preset", "pixel_format"]
    private static let ofPictures = ["output_format", "output_compression"]

    /// - Returns: nothing if anything is wrong, which is then noted in `line`.
    mutating func items(_ line: inout ManifestLine) -> [Manifest.Item] {
        let before = line.faults.count
        let sizes = model.sizes
        let given = line.choice(RequestFields.kind, GenerationRequest.Kind.self)
        let frames = line.integer(RequestFields.frames)
        let first = pictures.take(RequestFields.image, of: &line)
        let last = pictures.take(RequestFields.lastImage, of: &line)
        let listed = pictures.takeAll(RequestFields.images, of: &line)
        // A network that reads a first picture makes a clip of it; by strength a picture is made of one.
        let inputs = model.traits.pictures
        let saysStrength = line.has(RequestFields.strength.name) || defaults.strength != nil
        let isFirstFrame =
            first != nil && inputs.first != .never && !(inputs.changesByStrength && saysStrength)
        let kind = given ?? ((frames ?? 1) > 1 || isFirstFrame ? .video : .image)
        let prompt = line.text(RequestFields.prompt) ?? defaults.prompt
        if !line.has("prompt"), prompt == nil {
            line.fault("prompt", "it is missing")
        } else if let prompt, prompt.unicodeScalars.allSatisfy(\.properties.isWhitespace) {
            line.fault("prompt", "it is empty")
        }
        let sorted = inputs.sorted(
            image: [first].compactMap(\.self), images: listed, hasStrength: saysStrength)
        let references = sorted.references.compactMap(\.size)
        let size =
            line.size("size") ?? model.usualSize(first: sorted.first.first?.size, references: references)
        let seeds = line.seeds("seed", atMost: Manifest.mostFiles)
        let count = line.integer(RequestFields.fileCount) ?? 1
        let lastSeed = RequestFields.seeds.upperBound
        if let seeds, seeds.upperBound > lastSeed - (count - 1) {
            line.fault("seed", "\(seeds.upperBound) with n \(count) goes beyond the last seed, \(lastSeed)")
        }
        let name = line.string("file")
        let (strange, makes) =
            kind == .image
            ? (Self.ofClips, "it is for clips; this line makes images")
            : (Self.ofPictures, "it is for images; this line makes a clip")
        for name in strange where line.has(name) { line.fault(name, makes) }
        var request = GenerationRequest(
            kind: kind, prompt: prompt ?? "", model: model.id, width: size.width, height: size.height,
            frames: kind == .image ? frames ?? 1 : frames ?? sizes.defaultFrames,
            fps: kind == .image ? sizes.defaultFPS : defaults.fps ?? sizes.defaultFPS,
            seed: UInt64(seeds?.lowerBound ?? 0), loras: line.loras("loras"))
        request.take(from: &line)
        request.generator = request.generator ?? defaults.generator ?? model.generators.defaultName
        request.image = sorted.first.first?.digest
        request.images = sorted.references.isEmpty ? nil : sorted.references.map(\.digest)
        request.lastImage = last?.digest
        if request.isChangeByStrength(of: model) { request.strength = request.strength ?? defaults.strength }
        if kind == .image {
            // The ending of a name tells the format as well.
            request.outputFormat =
                request.outputFormat ?? name.flatMap { FileType(path: $0)?.picture } ?? defaults.outputFormat
            if request.pictureFormat != .png {
                request.outputCompression = request.outputCompression ?? defaults.outputCompression
            }
        } else {
            request.codec = request.codec ?? defaults.codec
            request.crf = request.crf ?? defaults.crf
            request.preset = request.preset ?? defaults.preset
            request.pixelFormat = request.pixelFormat ?? defaults.pixelFormat
        }
        let template = template(name, request.fileType, &line)
        guard line.faults.count == before, let template else { return [] }
        do {
            _ = try request.validate(for: model)
            try request.validateReferences(of: references, for: model)
            request = try request.settled(for: model)
        } catch ServingError.invalid(let field, let reason) {
            // What the model looks at, the line may have called its image.
            let isImage = field == RequestFields.images.name && listed.isEmpty && !sorted.references.isEmpty
            line.fault(RequestFields.name(of: isImage ? RequestFields.image.name : field, for: .manifest), reason)
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
        let named = [first, last].compactMap(\.self) + listed
        return items(line.line, request, named, seeds ?? 0...0, count, template)
    }

    /// `n` pictures of a seed have that seed and those after it, as over HTTP.
    private func items(
        _ line: Int, _ request: GenerationRequest, _ pictures: [NamedPicture], _ seeds: ClosedRange<Int>, _ count: Int,
        _ template: NameTemplate
    ) -> [Manifest.Item] {
        var items: [Manifest.Item] = []
        for seed in seeds {
            for offset in 0..<count {
                var request = request
                request.seed = UInt64(seed) &+ UInt64(offset)
                let file = template.name(line: line, index: items.count, seed: request.seed)
                items.append(
                    Manifest.Item(
                        line: line, index: items.count, file: file, request: request, pictures: pictures))
            }
        }
        return items
    }

    private func template(_ name: String?, _ type: FileType, _ line: inout ManifestLine) -> NameTemplate? {
        guard name != nil || !line.has("file") else { return nil }
        do throws(NameTemplate.Fault) {
            return try NameTemplate(name ?? "{line}-{seed}", type: type)
        } catch {
            line.fault("file", error.reason)
            return nil
        }
    }
}
