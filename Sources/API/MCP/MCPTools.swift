import HTTP
import Jobs
import Serving
import Support

/// The tools that assistants call: the fields of the HTTP API, the same keys, the same jobs.
struct MCPTools: Sendable {
    enum Name: String, Sendable, CaseIterable {
        case generateImage = "generate_image"
        case generateVideo = "generate_video"
        case listModels = "list_models"
    }

    let engine: Engine
    let reader: GenerationFields
    let keys: APIKeys
    let links: ArtifactLinks

    /// Fields that a tool has no use for: nobody sees its previews.
    private static let left = [RequestFields.previews.name]

    // MARK: What there is

    var descriptions: [JSON] {
        let makesClips = engine.models.contains { $0.sizes.makesClips }
        return Name.allCases.filter { $0 != .generateVideo || makesClips }.map { tool in
            [
                "name": .string(tool.rawValue), "title": .string(Self.title(tool)),
                "description": .string(Self.description(tool)), "inputSchema": Self.schema(tool),
                "annotations": ["readOnlyHint": .bool(tool == .listModels), "openWorldHint": false],
            ]
        }
    }

    private static func title(_ tool: Name) -> String {
        switch tool {
        case .generateImage: "Generate images"
        case .generateVideo: "Generate a video"
        case .listModels: "List models"
        }
    }

    private static func description(_ tool: Name) -> String {
        switch tool {
        case .generateImage: "Makes pictures from a description. Answers with the pictures, their seeds and links."
        case .generateVideo: "Makes a clip (MP4) from a description. Answers with a link to it."
        case .listModels: "Tells the models, their generators, sizes and limits."
        }
    }

    private static func schema(_ tool: Name) -> JSON {
        switch tool {
        case .generateImage: schema(of: .image)
        case .generateVideo: schema(of: .video)
        case .listModels: ["type": "object", "properties": [:], "additionalProperties": false]
        }
    }

    private static func schema(of taker: RequestField.Taker) -> JSON {
        let fields = RequestFields.taken(by: taker).filter { !left.contains($0.name) }
        return [
            "type": "object", "required": [.string(RequestFields.prompt.name)], "additionalProperties": false,
            "properties": .object(
                fields.map { JSON.Member(name: $0.name, value: FieldSchema.json(of: $0, for: taker)) }),
        ]
    }

    // MARK: Calling

    /// - Parameter inline: bytes of pictures that the result may hold; others are linked.
    /// - Returns: the result of `tools/call`. What the tool refuses, or fails in, is a result too, for the assistant to
    ///   read.
    /// - Throws: `CancellationError` when the client left; what `onEvent` throws.
    func call(
        _ tool: Name, _ arguments: Fields, _ request: HTTPRequest, _ running: RunningCall, inline: Int,
        _ onEvent: (JobEvent) async throws -> Void
    ) async throws -> JSON {
        do {
            switch tool {
            case .listModels:
                let capabilities = try reader.catalogue.capabilities()
                return [
                    "content": [["type": "text", "text": .string(capabilities.text)]],
                    "structuredContent": capabilities, "isError": false,
                ]
            case .generateImage:
                try arguments.requireKnown(RequestFields.names(of: .image))
                return try await generate(await reader.image(arguments), request, running, inline: inline, onEvent)
            case .generateVideo:
                try arguments.requireKnown(RequestFields.names(of: .video))
                return try await generate(await reader.video(arguments), request, running, inline: 0, onEvent)
            }
        } catch let error where error is APIError || error is ServingError {
            return ["content": [["type": "text", "text": .string(APIError(error).message)]], "isError": true]
        }
    }

    private func generate(
        _ read: ReadRequest, _ request: HTTPRequest, _ running: RunningCall, inline: Int,
        _ onEvent: (JobEvent) async throws -> Void
    ) async throws -> JSON {
        var wanted = read.request
        wanted.previews = 0
        let attached = try await AttachedJob(
            wanted, pictures: read.pictures, owner: keys.owner(of: request), engine: engine)
        running.onCancel { [engine, id = attached.id] in
            Task { try await engine.cancel(id) }
        }
        let job = try await attached.follow(onEvent)
        let isInline = job.artifacts.reduce(0) { $0 + $1.bytes } <= inline
        var content: [JSON] = []
        var files: [JSON] = []
        for (index, artifact) in job.artifacts.enumerated() {
            let url = JSON.string(links.url(of: artifact, for: request))
            files.append(["url": url, "seed": JSON(job.request.seed(ofImage: index))])
            if isInline {
                content.append([
                    "type": "image", "data": .string(try await engine.content(of: artifact).base64EncodedString()),
                    "mimeType": .string(artifact.contentType),
                ])
            } else {
                content.append([
                    "type": "resource_link", "uri": url, "name": .string("\(artifact.id).\(artifact.ending)"),
                    "mimeType": .string(artifact.contentType),
                ])
            }
        }
        let told = read.warnings.added(to: [
            "job": .string(job.id), "size": .string(job.request.size), "files": .array(files),
        ])
        content.append(["type": "text", "text": .string(told.text)])
        return ["content": .array(content), "structuredContent": told, "isError": false]
    }
}
