extension OpenAPI {
    static var components: String {
        #"""
        {
        "securitySchemes": {"key": {"type": "http", "scheme": "bearer", "description": "Needed when the server was started with keys"}},
        "parameters": {
          "ID": {"name": "id", "in": "path", "required": true, "schema": {"type": "string", "pattern": "^[^/\\u0000-\\u001f\\u007f]+$"}},
          "Limit": {"name": "limit", "in": "query", "schema": {"type": "integer", "minimum": 1, "maximum": 100, "default": 20}},
          "Order": {"name": "order", "in": "query", "description": "Of acceptance", "schema": {"type": "string", "enum": ["asc", "desc"], "default": "desc"}},
          "After": {"name": "after", "in": "query", "description": "The last id of the page before", "schema": {"type": "string"}},
          "IdempotencyKey": {"name": "Idempotency-Key", "in": "header", "description": "The same key and body give the same job again",
            "schema": {"type": "string", "minLength": 1, "maxLength": 255}}
        },
        "responses": {
          "Error": {"description": "Why not", "content": {"application/json": {"schema": {"$ref": "#/components/schemas/Error"}}}}
        },
        "schemas": {
          "Error": {"type": "object", "required": ["error"], "properties": {"error": {"type": "object",
            "required": ["message", "type", "param", "code"], "properties": {
              "message": {"type": "string"}, "type": {"type": "string"},
              "param": {"type": ["string", "null"], "description": "The field that is wrong"},
              "code": {"type": ["string", "null"]}}}}},
          "Status": {"type": "object", "required": ["status"], "properties": {"status": {"type": "string"}}},
          \#(requests),
          "Seed": {"type": "integer", "minimum": 0, "maximum": 9223372036854775807, "description": "The image's own"},
          "Priority": {"type": "string", "enum": ["interactive", "batch"]},
          "Usage": {"type": "object", "required": ["input_tokens", "input_tokens_details", "output_tokens", "output_tokens_details", "total_tokens"], "properties": {
            "input_tokens": {"type": "integer"}, "output_tokens": {"type": "integer"}, "total_tokens": {"type": "integer"},
            "input_tokens_details": {"$ref": "#/components/schemas/Tokens"}, "output_tokens_details": {"$ref": "#/components/schemas/Tokens"}}},
          "Tokens": {"type": "object", "required": ["text_tokens", "image_tokens"], "properties": {"text_tokens": {"type": "integer"}, "image_tokens": {"type": "integer"}}},
          "Images": {"type": "object", "required": ["created", "data", "background", "output_format", "size", "usage"], "properties": {
            "created": {"type": "integer"}, "background": {"type": "string", "const": "opaque"}, "output_format": {"type": "string"}, "size": {"type": "string"},
            "usage": {"$ref": "#/components/schemas/Usage"},
            "strength": {"type": "object", "description": "Of a picture that was changed by strength: what was asked, and the sigma and steps it became", "properties": {
              "asked": {"type": "number"}, "sigma": {"type": "number"}, "steps": {"type": "integer"}}},
            "data": {"type": "array", "minItems": 1, "items": {"type": "object", "required": ["seed"], "properties": {
              "b64_json": {"type": "string"}, "url": {"type": "string"}, "seed": {"$ref": "#/components/schemas/Seed"}}}},
            "warnings": {"type": "array", "items": {"type": "string"}, "description": "Fields that were ignored or changed; absent without any"}}},
          "Video": {"type": "object", "required": ["id", "object", "model", "status", "progress", "created_at", "completed_at", "expires_at", "prompt", "size", "seconds", "remixed_from_video_id", "error", "num_frames", "fps", "seed"], "properties": {
            "id": {"type": "string"}, "object": {"type": "string", "const": "video"}, "model": {"type": "string"},
            "status": {"type": "string", "enum": ["queued", "in_progress", "completed", "failed"]}, "progress": {"type": "integer", "minimum": 0, "maximum": 100},
            "created_at": {"type": "integer"}, "completed_at": {"type": ["integer", "null"]}, "expires_at": {"type": ["integer", "null"]},
            "prompt": {"type": "string"}, "size": {"type": "string"}, "seconds": {"type": "string"}, "remixed_from_video_id": {"type": "null"},
            "error": {"anyOf": [{"type": "null"}, {"$ref": "#/components/schemas/Failure"}]},
            "num_frames": {"type": "integer"}, "fps": {"type": "integer"}, "seed": {"$ref": "#/components/schemas/Seed"},
            "warnings": {"type": "array", "items": {"type": "string"}, "description": "Fields that were ignored or changed; absent without any"}}},
          "VideoList": {"type": "object", "required": ["object", "data", "first_id", "last_id", "has_more"], "properties": {
            "object": {"type": "string", "const": "list"}, "data": {"type": "array", "items": {"$ref": "#/components/schemas/Video"}}, "first_id": {"type": ["string", "null"]}, "last_id": {"type": ["string", "null"]}, "has_more": {"type": "boolean"}}},
          "VideoDeleted": {"type": "object", "required": ["id", "object", "deleted"], "properties": {
            "id": {"type": "string"}, "object": {"type": "string", "const": "video.deleted"}, "deleted": {"type": "boolean"}}},
          "Failure": {"type": "object", "required": ["code", "message"], "properties": {"code": {"type": "string"}, "message": {"type": "string"}}},
          "Job": {"type": "object", "required": ["id", "object", "kind", "priority", "state", "progress", "step", "steps", "sigma", "phase", "expert", "queue_position", "eta_seconds", "created_at", "started_at", "finished_at", "expires_at", "parameters", "timings", "ran", "artifacts", "error"], "properties": {
            "id": {"type": "string"}, "object": {"type": "string", "const": "job"}, "kind": {"type": "string", "enum": ["image", "video"]}, "priority": {"$ref": "#/components/schemas/Priority"},
            "state": {"type": "string", "enum": ["queued", "running", "succeeded", "failed", "cancelled"]}, "progress": {"type": "number", "minimum": 0, "maximum": 1},
            "step": {"type": "integer"}, "steps": {"type": "integer"}, "sigma": {"type": ["number", "null"]},
            "phase": {"type": ["string", "null"]}, "expert": {"type": ["string", "null"]}, "queue_position": {"type": ["integer", "null"]}, "eta_seconds": {"type": ["number", "null"], "description": "Until it should be done, from measured throughput"},
            "created_at": {"type": "number"}, "started_at": {"type": ["number", "null"]}, "finished_at": {"type": ["number", "null"]}, "expires_at": {"type": ["number", "null"]},
            "parameters": {"type": "object"}, "timings": {"type": "object"}, "ran": {"anyOf": [{"type": "null"}, {"type": "object"}], "description": "What runs or ran: generator, sampler, scales, sigmas, evaluations, decoder, weights"},
            "artifacts": {"type": "array", "items": {"$ref": "#/components/schemas/Artifact"}},
            "error": {"anyOf": [{"type": "null"}, {"$ref": "#/components/schemas/Failure"}]}}},
          "JobList": {"type": "object", "required": ["object", "data", "first_id", "last_id", "has_more"], "properties": {
            "object": {"type": "string", "const": "list"}, "data": {"type": "array", "items": {"$ref": "#/components/schemas/Job"}}, "first_id": {"type": ["string", "null"]}, "last_id": {"type": ["string", "null"]}, "has_more": {"type": "boolean"},
            "unreadable": {"type": "array", "items": {"type": "string"}, "description": "Ids of jobs that belong here, but that this version of the server cannot read"}}},
          "Artifact": {"type": "object", "required": ["id", "url", "content_type", "bytes", "expired"], "properties": {
            "id": {"type": "string"}, "url": {"type": "string"}, "content_type": {"type": "string"}, "bytes": {"type": "integer"}, "expired": {"type": "boolean"}}},
          "Model": {"type": "object", "required": ["id", "object", "created", "owned_by", "root"], "properties": {
            "id": {"type": "string"}, "object": {"type": "string", "const": "model"}, "created": {"type": "integer"}, "owned_by": {"type": "string"},
            "root": {"type": "string", "description": "The model that an alias stands for"}}},
          "Interval": {"type": "array", "items": {"type": ["number", "null"]}, "minItems": 2, "maxItems": 2},
          "Capabilities": {"type": "object", "required": ["object", "models", "limits"], "properties": {
            "object": {"type": "string", "const": "capabilities"},
            "limits": {"type": "object", "required": ["n", "partial_images", "prompt_characters", "loras", "lora_strength"], "properties": {
              "n": {"type": "integer"}, "partial_images": {"type": "integer"}, "prompt_characters": {"type": "integer"},
              "loras": {"type": "integer"}, "lora_strength": {"$ref": "#/components/schemas/Interval"}}},
            "models": {"type": "array", "items": {"type": "object", "required": ["id", "kinds", "kinds_from_pictures", "default_generator", "generators", "sizes", "frames", "fps", "loras", "inputs", "output_formats", "card"], "properties": {
              "card": {"type": ["string", "null"], "description": "Where card.json and its samples lie, relative to the server: what the model knows"},
              "output_formats": {"type": "array", "items": {"type": "string"}},
              "inputs": {"type": "object", "required": ["image", "last_image", "images", "strength"], "description": "Which pictures the model takes", "properties": {
                "image": {"type": "string", "enum": ["strength", "reference", "never", "optional", "required"], "description": "strength: the network reads none, and a picture is changed by strength. reference: it is one of images, unless the request names a strength. optional, required: the first frame of a clip"},
                "strength": {"type": "boolean", "description": "Whether a picture can be changed by strength"},
                "last_image": {"type": "string", "enum": ["never", "optional", "required"]},
                "images": {"type": "array", "items": {"type": "integer"}, "minItems": 2, "maxItems": 2, "description": "How many reference pictures: at least, at most"}}},
              "loras": {"type": "array", "items": {"type": "string"}, "description": "Names of the LoRA files that requests may use"},
              "id": {"type": "string"}, "kinds": {"type": "array", "items": {"type": "string", "enum": ["image", "video"]}, "description": "What a prompt alone makes"}, "kinds_from_pictures": {"type": "array", "items": {"type": "string", "enum": ["image", "video"]}, "description": "What a prompt and pictures make; see inputs"}, "default_generator": {"type": "string"}, "fps": {"type": "integer"},
              "sizes": {"type": "object", "required": ["multiple", "default", "maximum_pixels"]},
              "frames": {"type": "object", "required": ["rule", "multiple", "default", "maximum"]},
              "generators": {"type": "array", "items": {"type": "object", "required": ["name", "sampler", "steps", "nfe", "nfe_with_negative_prompt", "sigmas", "phases"], "properties": {
                "name": {"type": "string"}, "sampler": {"type": "string"}, "steps": {"type": "integer"}, "nfe": {"type": "integer", "description": "Network evaluations without a negative_prompt"}, "nfe_with_negative_prompt": {"type": "integer"},
                "sigmas": {"type": "array", "items": {"type": "number"}},
                "phases": {"type": "array", "items": {"type": "object", "required": ["name", "sigma", "snr", "expert", "guidance_scale"], "properties": {
                  "name": {"type": "string"}, "sigma": {"$ref": "#/components/schemas/Interval"}, "snr": {"$ref": "#/components/schemas/Interval"},
                  "expert": {"type": "string"}, "guidance_scale": {"type": "number"}}}}}}}}}}}}
        }
        }
        """#
    }
}
