extension OpenAPI {
    static var paths: String {
        #"""
        {
        "/v1/images/generations": {"post": {"operationId": "createImage", "tags": ["OpenAI"],
          "summary": "Make images", "description": "Cancelled when the client leaves. With stream: server-sent events image_generation.partial_image and image_generation.completed. With Prefer: respond-async the answer is the job, 202.",
          "parameters": [{"name": "Prefer", "in": "header", "description": "respond-async for the job instead of its images", "schema": {"type": "string"}}],
          "requestBody": {"required": true, "content": {"application/json": {"schema": {"$ref": "#/components/schemas/ImageRequest"}}}},
          "responses": {
            "200": {"description": "The images, or their events", "content": {
              "application/json": {"schema": {"$ref": "#/components/schemas/Images"}},
              "text/event-stream": {"schema": {"type": "string"}}}},
            "202": {"description": "The job that makes them", "content": {"application/json": {"schema": {"$ref": "#/components/schemas/Job"}}}},
            "default": {"$ref": "#/components/responses/Error"}}}},
        "/v1/images/edits": {"post": {"operationId": "editImage", "tags": ["OpenAI"],
          "summary": "Make images from a picture: one that the model looks at, or one that is changed by strength",
          "requestBody": {"required": true, "content": {
            "application/json": {"schema": {"$ref": "#/components/schemas/ImageEdit"}},
            "multipart/form-data": {"schema": {"$ref": "#/components/schemas/ImageEdit"}}}},
          "responses": {
            "200": {"description": "The images, or events with them", "content": {
              "application/json": {"schema": {"$ref": "#/components/schemas/Images"}}, "text/event-stream": {"schema": {"type": "string"}}}},
            "default": {"$ref": "#/components/responses/Error"}}}},
        "/v1/images/variations": {"post": {"operationId": "varyImage", "tags": ["OpenAI"],
          "summary": "Refused: send the picture with a prompt to /v1/images/edits",
          "responses": {"400": {"$ref": "#/components/responses/Error"}, "default": {"$ref": "#/components/responses/Error"}}}},
        "/v1/videos/{id}/remix": {"parameters": [{"$ref": "#/components/parameters/ID"}],
          "post": {"operationId": "remixVideo", "tags": ["OpenAI"],
          "summary": "Refused: clips are made from text and pictures, not from clips",
          "responses": {"400": {"$ref": "#/components/responses/Error"}, "default": {"$ref": "#/components/responses/Error"}}}},
        "/v1/videos/edits": {"post": {"operationId": "editVideo", "tags": ["OpenAI"],
          "summary": "Refused: clips are made from text and pictures, not from clips",
          "responses": {"400": {"$ref": "#/components/responses/Error"}, "default": {"$ref": "#/components/responses/Error"}}}},
        "/v1/videos/extensions": {"post": {"operationId": "extendVideo", "tags": ["OpenAI"],
          "summary": "Refused: clips are made from text and pictures, not from clips",
          "responses": {"400": {"$ref": "#/components/responses/Error"}, "default": {"$ref": "#/components/responses/Error"}}}},
        "/v1/videos": {
          "post": {"operationId": "createVideo", "tags": ["OpenAI"], "summary": "Begin a video",
            "parameters": [{"$ref": "#/components/parameters/IdempotencyKey"}],
            "requestBody": {"required": true, "content": {
              "application/json": {"schema": {"$ref": "#/components/schemas/VideoRequest"}},
              "multipart/form-data": {"schema": {"$ref": "#/components/schemas/VideoRequest"}}}},
            "responses": {
              "200": {"description": "The video, queued", "content": {"application/json": {"schema": {"$ref": "#/components/schemas/Video"}}}},
              "default": {"$ref": "#/components/responses/Error"}}},
          "get": {"operationId": "listVideos", "tags": ["OpenAI"], "summary": "List videos",
            "parameters": [{"$ref": "#/components/parameters/Limit"}, {"$ref": "#/components/parameters/Order"}, {"$ref": "#/components/parameters/After"}],
            "responses": {
              "200": {"description": "A page", "content": {"application/json": {"schema": {"$ref": "#/components/schemas/VideoList"}}}},
              "default": {"$ref": "#/components/responses/Error"}}}},
        "/v1/videos/{id}": {"parameters": [{"$ref": "#/components/parameters/ID"}],
          "get": {"operationId": "getVideo", "tags": ["OpenAI"], "summary": "A video's state",
            "responses": {
              "200": {"description": "The video", "content": {"application/json": {"schema": {"$ref": "#/components/schemas/Video"}}}},
              "default": {"$ref": "#/components/responses/Error"}}},
          "delete": {"operationId": "deleteVideo", "tags": ["OpenAI"], "summary": "Cancel and remove a video",
            "responses": {
              "200": {"description": "It is gone", "content": {"application/json": {"schema": {"$ref": "#/components/schemas/VideoDeleted"}}}},
              "default": {"$ref": "#/components/responses/Error"}}}},
        "/v1/videos/{id}/content": {"parameters": [{"$ref": "#/components/parameters/ID"}],
          "get": {"operationId": "getVideoContent", "tags": ["OpenAI"], "summary": "The MP4; takes Range",
            "parameters": [{"name": "variant", "in": "query", "description": "thumbnail is the first frame as PNG", "schema": {"type": "string", "enum": ["video", "thumbnail"], "default": "video"}}],
            "responses": {
              "200": {"description": "The file", "content": {"video/mp4": {}, "image/png": {}, "application/octet-stream": {"schema": {"type": "string", "format": "binary"}}}},
              "206": {"description": "The part that was asked for", "content": {"video/mp4": {}, "image/png": {}, "application/octet-stream": {"schema": {"type": "string", "format": "binary"}}}},
              "304": {"description": "The client has it"},
              "default": {"$ref": "#/components/responses/Error"}}}},
        "/v1/jobs": {
          "post": {"operationId": "createJob", "tags": ["Jobs"], "summary": "Begin a job",
            "parameters": [{"$ref": "#/components/parameters/IdempotencyKey"}],
            "requestBody": {"required": true, "content": {"application/json": {"schema": {"$ref": "#/components/schemas/JobRequest"}}}},
            "responses": {
              "202": {"description": "The job, queued", "headers": {"Location": {"schema": {"type": "string"}}},
                "content": {"application/json": {"schema": {"$ref": "#/components/schemas/Job"}}}},
              "default": {"$ref": "#/components/responses/Error"}}},
          "get": {"operationId": "listJobs", "tags": ["Jobs"], "summary": "List jobs",
            "parameters": [{"name": "kind", "in": "query", "schema": {"type": "string", "enum": ["image", "video"]}},
              {"$ref": "#/components/parameters/Limit"}, {"$ref": "#/components/parameters/Order"}, {"$ref": "#/components/parameters/After"}],
            "responses": {
              "200": {"description": "A page", "content": {"application/json": {"schema": {"$ref": "#/components/schemas/JobList"}}}},
              "default": {"$ref": "#/components/responses/Error"}}}},
        "/v1/jobs/{id}": {"parameters": [{"$ref": "#/components/parameters/ID"}],
          "get": {"operationId": "getJob", "tags": ["Jobs"], "summary": "A job's state",
            "responses": {
              "200": {"description": "The job", "content": {"application/json": {"schema": {"$ref": "#/components/schemas/Job"}}}},
              "default": {"$ref": "#/components/responses/Error"}}},
          "delete": {"operationId": "deleteJob", "tags": ["Jobs"], "summary": "Cancel a job if need be, and remove it with its files and its prompt",
            "responses": {
              "200": {"description": "It is gone", "content": {"application/json": {"schema": {"type": "object", "required": ["id", "object", "deleted"], "properties": {"id": {"type": "string"}, "object": {"type": "string", "const": "job.deleted"}, "deleted": {"type": "boolean"}}}}}},
              "default": {"$ref": "#/components/responses/Error"}}}},
        "/v1/jobs/{id}/events": {"parameters": [{"$ref": "#/components/parameters/ID"}],
          "get": {"operationId": "watchJob", "tags": ["Jobs"], "summary": "What happens to a job",
            "description": "Server-sent events queued, step, preview, decoding, encoding, done, failed, cancelled, each with the job as data; a preview has besides preview: {image, index, step, b64_json}. The first tells the present state.",
            "parameters": [{"name": "Last-Event-ID", "in": "header", "description": "Go on after this event", "schema": {"type": "integer", "minimum": 0, "maximum": 9223372036854775807}}],
            "responses": {
              "204": {"description": "The job has ended, and the client has seen its last event"},
              "200": {"description": "The events, to the job's last", "content": {"text/event-stream": {"schema": {"type": "string"}}}},
              "default": {"$ref": "#/components/responses/Error"}}}},
        "/v1/jobs/{id}/pictures/{digest}": {"parameters": [{"$ref": "#/components/parameters/ID"}, {"name": "digest", "in": "path", "required": true, "schema": {"type": "string", "pattern": "^[0-9a-f]{64}$"}}],
          "get": {"operationId": "getJobPicture", "tags": ["Jobs"], "summary": "A picture that a job starts from, for who sent it; parameters of the job names its digest",
            "responses": {
              "200": {"description": "The file as it was sent", "content": {"image/png": {}, "image/jpeg": {}, "image/webp": {}, "application/octet-stream": {"schema": {"type": "string", "format": "binary"}}}},
              "default": {"$ref": "#/components/responses/Error"}}}},
        "/v1/jobs/{id}/cancel": {"parameters": [{"$ref": "#/components/parameters/ID"}],
          "post": {"operationId": "cancelJob", "tags": ["Jobs"], "summary": "Stop a job within one transformer block",
            "responses": {
              "200": {"description": "The job as it is right after", "content": {"application/json": {"schema": {"$ref": "#/components/schemas/Job"}}}},
              "default": {"$ref": "#/components/responses/Error"}}}},
        "/v1/jobs/{id}/retry": {"parameters": [{"$ref": "#/components/parameters/ID"}],
          "post": {"operationId": "retryJob", "tags": ["Jobs"], "summary": "Run a job again that has failed or was cancelled",
            "responses": {
              "200": {"description": "The job, queued", "content": {"application/json": {"schema": {"$ref": "#/components/schemas/Job"}}}},
              "409": {"$ref": "#/components/responses/Error"},
              "default": {"$ref": "#/components/responses/Error"}}}},
        "/v1/artifacts/{id}": {"parameters": [{"$ref": "#/components/parameters/ID"}],
          "get": {"operationId": "getArtifact", "tags": ["Jobs"], "summary": "A finished picture or clip; takes Range",
            "responses": {
              "200": {"description": "The file", "content": {"image/png": {}, "image/jpeg": {}, "image/webp": {}, "video/mp4": {}, "application/octet-stream": {"schema": {"type": "string", "format": "binary"}}}},
              "206": {"description": "The part that was asked for", "content": {"image/png": {}, "image/jpeg": {}, "image/webp": {}, "video/mp4": {}, "application/octet-stream": {"schema": {"type": "string", "format": "binary"}}}},
              "304": {"description": "The client has it"},
              "410": {"$ref": "#/components/responses/Error"},
              "default": {"$ref": "#/components/responses/Error"}}}},
        "/v1/models": {"get": {"operationId": "listModels", "tags": ["OpenAI"], "summary": "The models and their aliases",
          "responses": {
            "200": {"description": "All of them", "content": {"application/json": {"schema": {"type": "object",
              "required": ["object", "data"], "properties": {"object": {"type": "string", "const": "list"},
              "data": {"type": "array", "items": {"$ref": "#/components/schemas/Model"}}}}}}},
            "default": {"$ref": "#/components/responses/Error"}}}},
        "/v1/models/{id}": {"parameters": [{"$ref": "#/components/parameters/ID"}],
          "get": {"operationId": "getModel", "tags": ["OpenAI"], "summary": "A model, by its id or an alias",
            "responses": {
              "200": {"description": "The model", "content": {"application/json": {"schema": {"$ref": "#/components/schemas/Model"}}}},
              "default": {"$ref": "#/components/responses/Error"}}}},
        "/v1/capabilities": {"get": {"operationId": "getCapabilities", "tags": ["Jobs"],
          "summary": "Generators, phases, sizes and limits of each model",
          "responses": {
            "200": {"description": "What the server can do", "content": {"application/json": {"schema": {"$ref": "#/components/schemas/Capabilities"}}}},
            "default": {"$ref": "#/components/responses/Error"}}}},
        "/cards/{id}/{name}": {"parameters": [{"$ref": "#/components/parameters/ID"}, {"name": "name", "in": "path", "required": true, "schema": {"type": "string"}}],
          "get": {"operationId": "getCardFile", "tags": ["Jobs"], "security": [], "summary": "card.json of a model that has a card, or a sample that it names",
            "responses": {
              "200": {"description": "The file", "content": {"application/json": {}, "image/png": {}, "video/mp4": {}, "application/octet-stream": {"schema": {"type": "string", "format": "binary"}}}},
              "default": {"$ref": "#/components/responses/Error"}}}},
        "/sdapi/v1/txt2img": {"post": {"operationId": "txt2img", "tags": ["A1111"], "summary": "Make images",
          "requestBody": {"required": true, "content": {"application/json": {"schema": {"$ref": "#/components/schemas/TextToImage"}}}},
          "responses": {
            "200": {"description": "Base64 images; info is JSON in a string", "content": {"application/json": {"schema": {"type": "object",
              "required": ["images", "parameters", "info"], "properties": {
              "images": {"type": "array", "items": {"type": "string"}}, "parameters": {"type": "object"}, "info": {"type": "string"}}}}}},
            "default": {"$ref": "#/components/responses/Error"}}}},
        "/sdapi/v1/img2img": {"post": {"operationId": "img2img", "tags": ["A1111"], "summary": "Change a picture by strength",
          "requestBody": {"required": true, "content": {"application/json": {"schema": {"$ref": "#/components/schemas/ImageToImage"}}}},
          "responses": {
            "200": {"description": "Base64 images; info is JSON in a string", "content": {"application/json": {"schema": {"type": "object",
              "required": ["images", "parameters", "info"], "properties": {
              "images": {"type": "array", "items": {"type": "string"}}, "parameters": {"type": "object"}, "info": {"type": "string"}}}}}},
            "default": {"$ref": "#/components/responses/Error"}}}},
        "/sdapi/v1/progress": {"get": {"operationId": "progress", "tags": ["A1111"], "summary": "The running image",
          "parameters": [{"name": "skip_current_image", "in": "query", "schema": {"type": "boolean"}}],
          "responses": {
            "200": {"description": "How far it is", "content": {"application/json": {"schema": {"type": "object",
              "required": ["progress", "eta_relative", "state", "current_image", "textinfo"], "properties": {
              "progress": {"type": "number"}, "eta_relative": {"type": "number"}, "state": {"type": "object"},
              "current_image": {"type": ["string", "null"]}, "textinfo": {"type": ["string", "null"]}}}}}},
            "default": {"$ref": "#/components/responses/Error"}}}},
        "/sdapi/v1/interrupt": {"post": {"operationId": "interrupt", "tags": ["A1111"], "summary": "Cancel the running image",
          "responses": {"200": {"description": "Asked to stop", "content": {"application/json": {"schema": {"type": "object"}}}},
            "default": {"$ref": "#/components/responses/Error"}}}},
        "/sdapi/v1/samplers": {"get": {"operationId": "samplers", "tags": ["A1111"], "summary": "The generators",
          "responses": {"200": {"description": "All of them", "content": {"application/json": {"schema": {"type": "array", "items": {"type": "object"}}}}},
            "default": {"$ref": "#/components/responses/Error"}}}},
        "/sdapi/v1/sd-models": {"get": {"operationId": "sdModels", "tags": ["A1111"], "summary": "The models",
          "responses": {"200": {"description": "All of them", "content": {"application/json": {"schema": {"type": "array", "items": {"type": "object"}}}}},
            "default": {"$ref": "#/components/responses/Error"}}}},
        "/sdapi/v1/loras": {"get": {"operationId": "loras", "tags": ["A1111"], "summary": "The LoRA files that prompts may name",
          "responses": {"200": {"description": "All of them", "content": {"application/json": {"schema": {"type": "array", "items": {"type": "object"}}}}},
            "default": {"$ref": "#/components/responses/Error"}}}},
        "/sdapi/v1/options": {"get": {"operationId": "options", "tags": ["A1111"], "summary": "The model in use",
          "responses": {"200": {"description": "The options", "content": {"application/json": {"schema": {"type": "object"}}}},
            "default": {"$ref": "#/components/responses/Error"}}},
          "post": {"operationId": "setOptions", "tags": ["A1111"], "summary": "Choose the model of requests that name none",
          "requestBody": {"required": true, "content": {"application/json": {"schema": {"type": "object", "properties": {
            "sd_model_checkpoint": {"type": ["string", "null"]}}}}}},
          "responses": {"200": {"description": "It is chosen", "content": {"application/json": {"schema": {"type": "object"}}}},
            "default": {"$ref": "#/components/responses/Error"}}}},
        \#(webUI),
        \#(life),
        "/readyz": {"get": {"operationId": "ready", "tags": ["Operation"], "summary": "A job would be taken now", "security": [{}],
          "responses": {"200": {"description": "It would", "content": {"application/json": {"schema": {"$ref": "#/components/schemas/Status"}}}},
            "503": {"$ref": "#/components/responses/Error"}, "default": {"$ref": "#/components/responses/Error"}}}},
        "/version": {"get": {"operationId": "version", "tags": ["Operation"], "summary": "Which Phasor this is", "security": [{}],
          "responses": {"200": {"description": "Name and version", "content": {"application/json": {"schema": {"type": "object",
            "required": ["name", "version"], "properties": {"name": {"type": "string"}, "version": {"type": "string"}}}}}},
            "default": {"$ref": "#/components/responses/Error"}}}},
        "/mcp": {
          "post": {"operationId": "mcp", "tags": ["MCP"], "summary": "Model Context Protocol: a message of JSON-RPC 2.0",
            "requestBody": {"required": true, "content": {"application/json": {"schema": {"type": "object"}}}},
            "responses": {
              "200": {"description": "The answer, or events that end with it", "content": {
                "application/json": {"schema": {"type": "object"}}, "text/event-stream": {"schema": {"type": "string"}}}},
              "202": {"description": "A notification was heard"},
              "default": {"$ref": "#/components/responses/Error"}}},
          "delete": {"operationId": "endMCPSession", "tags": ["MCP"], "summary": "Cancel what runs for a session",
            "responses": {"204": {"description": "Done"}, "default": {"$ref": "#/components/responses/Error"}}}},
        "/metrics": {"get": {"operationId": "metrics", "tags": ["Operation"], "summary": "Prometheus text",
          "responses": {"200": {"description": "All series", "content": {"text/plain": {"schema": {"type": "string"}}}},
            "default": {"$ref": "#/components/responses/Error"}}}},
        "/openapi.json": {"get": {"operationId": "openapi", "tags": ["Operation"], "summary": "This document", "security": [{}],
          "responses": {"200": {"description": "OpenAPI 3.1", "content": {"application/json": {"schema": {"type": "object"}}}},
            "default": {"$ref": "#/components/responses/Error"}}}}
        }
        """#
    }

    /// What clients of the web UI ask for at their start.
    private static var webUI: String {
        let error = ##""default": {"$ref": "#/components/responses/Error"}"##
        func route(_ method: String, _ name: String, _ summary: String, _ responses: String) -> String {
            let words = name.split(separator: "-").map { $0.prefix(1).uppercased() + $0.dropFirst() }.joined()
            return """
                "/sdapi/v1/\(name)": {"\(method)": {"operationId": "webUI\(words)", "tags": ["A1111"], "summary": "\(summary)", \
                "responses": {\(responses), \(error)}}}
                """
        }
        func answer(_ schema: String) -> String {
            "\"200\": {\"description\": \"All of them\", \"content\": {\"application/json\": {\"schema\": \(schema)}}}"
        }
        let list = answer(#"{"type": "array", "items": {"type": "object"}}"#)
        let object = answer(#"{"type": "object"}"#)
        let refusal = ##""400": {"$ref": "#/components/responses/Error"}"##
        let lists = (WebUILists.empty + ["schedulers", "upscalers"]).sorted()
        let objects = ["cmd-flags", "embeddings", "memory", "scripts"]
        var routes = lists.map { route("get", $0, "A menu of the web UI", list) }
        routes += objects.map { route("get", $0, "What the web UI tells", object) }
        routes.append(route("post", "png-info", "The text chunks of a PNG", object))
        routes += WebUILists.posts.map { route("post", $0, "Taken, and nothing is done", object) }
        routes += WebUILists.refused.keys.sorted().map { name in
            route("post", name, "Refused: images are made from text", refusal)
        }
        return routes.joined(separator: ",\n")
    }

    private static var life: String {
        Operations.life.map { path in
            let name = path.split(separator: "/").map { $0.prefix(1).uppercased() + $0.dropFirst() }.joined()
            return """
                "\(path)": {"get": {"operationId": "live\(name)", "tags": ["Operation"], "summary": "The process answers", \
                "security": [{}], "responses": {"200": {"description": "It does", "content": {"application/json": \
                {"schema": {"$ref": "#/components/schemas/Status"}}}}, "default": {"$ref": "#/components/responses/Error"}}}}
                """
        }.joined(separator: ",\n")
    }
}
