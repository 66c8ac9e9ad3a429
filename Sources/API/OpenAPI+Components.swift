extension OpenAPI {
    static let components = #"""
        {
        "securitySchemes": {"key": {"type": "http", "scheme": "bearer", "description": "Needed when the server was started with keys"}},
        "parameters": {
          "ID": {"name": "id", "in": "path", "required": true, "schema": {"type": "string", "pattern": "^[^/\\u0000-\\u001f\\u007f]+$"}},
          "Limit": {"name": "limit", "in": "query", "schema": {"type": "integer", "minimum": 1, "maximum": 100, "default": 20}},
          "Order": {"name": "order", "in": "query", "description": "Of acceptance", "schema": {"enum": ["asc", "desc"], "default": "desc"}},
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
          "Prompt": {"type": "string", "pattern": "\\S", "maxLength": 4096, "description": "What is to be seen; without NUL, and of no more tokens than the model reads"},
          "Size": {"type": "string", "pattern": "^(auto|[0-9]{1,9}x[0-9]{1,9})$", "description": "WIDTHxHEIGHT, each a multiple of the model's; see /v1/capabilities"},
          "Seed": {"type": "integer", "minimum": 0, "maximum": 9223372036854775807, "description": "Image k of n has seed + k. Drawn when left out"},
          "GenerationFields": {"type": "object", "required": ["prompt"], "properties": {
            "prompt": {"$ref": "#/components/schemas/Prompt"},
            "model": {"type": "string", "description": "An id or alias of /v1/models; the default model when left out"},
            "size": {"$ref": "#/components/schemas/Size"},
            "seed": {"$ref": "#/components/schemas/Seed"},
            "generator": {"type": "string", "description": "One of the model's, such as student or teacher"},
            "num_inference_steps": {"type": "integer", "minimum": 1, "maximum": 1000},
            "guidance_scale": {"type": "number", "minimum": 0, "maximum": 100, "description": "Of the first phase, the high-noise expert; of all unless guidance_scale_2 is given"},
            "guidance_scale_2": {"type": "number", "minimum": 0, "maximum": 100, "description": "Of the phases after the first"},
            "negative_prompt": {"type": "string", "maxLength": 4096},
            "loras": {"type": "array", "maxItems": 8, "items": {"$ref": "#/components/schemas/LoRA"}, "description": "LoRA files on top of those of the model; in a form, as JSON"},
            "partial_images": {"type": "integer", "minimum": 0, "maximum": 3, "default": 0, "description": "Pictures on the way: x0 as a step predicts it"}}},
          "LoRA": {"type": "object", "required": ["name"], "additionalProperties": false, "properties": {
            "name": {"type": "string", "description": "One of the model's loras in /v1/capabilities"},
            "strength": {"type": "number", "minimum": -4, "maximum": 4, "default": 1},
            "expert": {"type": "string", "description": "high, low or an expert's name; every expert that the file has keys for when left out"}}},
          "ImageFields": {"allOf": [{"$ref": "#/components/schemas/GenerationFields"}, {"type": "object", "properties": {
            "num_frames": {"const": 1},
            "n": {"type": "integer", "minimum": 1, "maximum": 10, "default": 1}}}]},
          "VideoFields": {"allOf": [{"$ref": "#/components/schemas/GenerationFields"}, {"type": "object", "properties": {
            "seconds": {"type": ["string", "number"], "pattern": "^[0-9]{1,4}([.][0-9]+)?$", "exclusiveMinimum": 0, "maximum": 3600, "description": "A clip of seconds * fps + 1 frames, or of seconds * fps; whichever the model can"},
            "num_frames": {"type": "integer", "minimum": 1, "maximum": 1000000, "description": "4k + 1 for Wan; see /v1/capabilities"},
            "fps": {"type": "integer", "minimum": 1, "maximum": 240},
            "crf": {"type": "integer", "minimum": 1, "maximum": 51, "description": "Constant rate factor of H.264: less is better and larger"},
            "preset": {"enum": ["superfast", "veryfast", "faster", "fast", "medium", "slow", "slower", "veryslow"]}}}]},
          "ImageRequest": {"allOf": [{"$ref": "#/components/schemas/ImageFields"}, {"type": "object", "properties": {
            "response_format": {"enum": ["b64_json", "url"], "default": "b64_json"},
            "output_format": {"enum": ["png"], "default": "png"},
            "background": {"enum": ["auto", "opaque"]},
            "stream": {"type": "boolean", "default": false}}}]},
          "VideoRequest": {"$ref": "#/components/schemas/VideoFields"},
          "Priority": {"enum": ["interactive", "batch"], "default": "interactive", "description": "Interactive jobs go before batch jobs at every step; batch jobs are never kept waiting for good"},
          "JobRequest": {"oneOf": [
            {"allOf": [{"$ref": "#/components/schemas/ImageFields"}, {"type": "object", "required": ["kind"], "properties": {"kind": {"const": "image"}, "priority": {"$ref": "#/components/schemas/Priority"}}}], "unevaluatedProperties": false},
            {"allOf": [{"$ref": "#/components/schemas/VideoFields"}, {"type": "object", "required": ["kind"], "properties": {"kind": {"const": "video"}, "priority": {"$ref": "#/components/schemas/Priority"}}}], "unevaluatedProperties": false}]},
          "TextToImage": {"type": "object", "required": ["prompt"], "properties": {
            "prompt": {"allOf": [{"$ref": "#/components/schemas/Prompt"}], "description": "<lora:NAME:STRENGTH> in it puts a LoRA file on the experts"},
            "negative_prompt": {"type": "string", "maxLength": 4096},
            "width": {"type": "integer", "minimum": 1, "maximum": 65536}, "height": {"type": "integer", "minimum": 1, "maximum": 65536},
            "seed": {"type": "integer", "minimum": -1, "maximum": 9223372036854775807, "description": "-1 draws one"},
            "steps": {"type": "integer", "minimum": 1, "maximum": 1000}, "cfg_scale": {"type": "number", "minimum": 0, "maximum": 100},
            "batch_size": {"type": "integer", "minimum": 1, "maximum": 10}, "n_iter": {"type": "integer", "minimum": 1, "maximum": 10},
            "sampler_name": {"type": "string"}, "sampler_index": {"type": "string"},
            "override_settings": {"type": "object", "properties": {"sd_model_checkpoint": {"type": "string"}}}}},
          "Usage": {"type": "object", "required": ["input_tokens", "input_tokens_details", "output_tokens", "output_tokens_details", "total_tokens"], "properties": {
            "input_tokens": {"type": "integer"}, "output_tokens": {"type": "integer"}, "total_tokens": {"type": "integer"},
            "input_tokens_details": {"$ref": "#/components/schemas/Tokens"}, "output_tokens_details": {"$ref": "#/components/schemas/Tokens"}}},
          "Tokens": {"type": "object", "required": ["text_tokens", "image_tokens"], "properties": {"text_tokens": {"type": "integer"}, "image_tokens": {"type": "integer"}}},
          "Images": {"type": "object", "required": ["created", "data", "background", "output_format", "size", "usage"], "properties": {
            "created": {"type": "integer"}, "background": {"const": "opaque"}, "output_format": {"const": "png"}, "size": {"type": "string"},
            "usage": {"$ref": "#/components/schemas/Usage"},
            "data": {"type": "array", "minItems": 1, "items": {"type": "object", "required": ["seed"], "properties": {
              "b64_json": {"type": "string"}, "url": {"type": "string"}, "seed": {"$ref": "#/components/schemas/Seed"}},
              "oneOf": [{"required": ["b64_json"]}, {"required": ["url"]}]}}}},
          "Video": {"type": "object", "required": ["id", "object", "model", "status", "progress", "created_at", "completed_at", "expires_at", "prompt", "size", "seconds", "remixed_from_video_id", "error", "num_frames", "fps", "seed"], "properties": {
            "id": {"type": "string"}, "object": {"const": "video"}, "model": {"type": "string"},
            "status": {"enum": ["queued", "in_progress", "completed", "failed"]}, "progress": {"type": "integer", "minimum": 0, "maximum": 100},
            "created_at": {"type": "integer"}, "completed_at": {"type": ["integer", "null"]}, "expires_at": {"type": ["integer", "null"]},
            "prompt": {"type": "string"}, "size": {"type": "string"}, "seconds": {"type": "string"}, "remixed_from_video_id": {"type": "null"},
            "error": {"anyOf": [{"type": "null"}, {"$ref": "#/components/schemas/Failure"}]},
            "num_frames": {"type": "integer"}, "fps": {"type": "integer"}, "seed": {"$ref": "#/components/schemas/Seed"}}},
          "VideoList": {"allOf": [{"$ref": "#/components/schemas/ListPage"}, {"type": "object", "properties": {"data": {"type": "array", "items": {"$ref": "#/components/schemas/Video"}}}}]},
          "VideoDeleted": {"type": "object", "required": ["id", "object", "deleted"], "properties": {
            "id": {"type": "string"}, "object": {"const": "video.deleted"}, "deleted": {"const": true}}},
          "ListPage": {"type": "object", "required": ["object", "data", "first_id", "last_id", "has_more"], "properties": {
            "object": {"const": "list"}, "data": {"type": "array"}, "first_id": {"type": ["string", "null"]}, "last_id": {"type": ["string", "null"]}, "has_more": {"type": "boolean"}}},
          "Failure": {"type": "object", "required": ["code", "message"], "properties": {"code": {"type": "string"}, "message": {"type": "string"}}},
          "Job": {"type": "object", "required": ["id", "object", "kind", "priority", "state", "progress", "step", "steps", "sigma", "phase", "expert", "queue_position", "created_at", "started_at", "finished_at", "expires_at", "parameters", "timings", "artifacts", "error"], "properties": {
            "id": {"type": "string"}, "object": {"const": "job"}, "kind": {"enum": ["image", "video"]}, "priority": {"$ref": "#/components/schemas/Priority"},
            "state": {"enum": ["queued", "running", "succeeded", "failed", "cancelled"]}, "progress": {"type": "number", "minimum": 0, "maximum": 1},
            "step": {"type": "integer"}, "steps": {"type": "integer"}, "sigma": {"type": ["number", "null"]},
            "phase": {"type": ["string", "null"]}, "expert": {"type": ["string", "null"]}, "queue_position": {"type": ["integer", "null"]},
            "created_at": {"type": "number"}, "started_at": {"type": ["number", "null"]}, "finished_at": {"type": ["number", "null"]}, "expires_at": {"type": ["number", "null"]},
            "parameters": {"type": "object"}, "timings": {"type": "object"},
            "artifacts": {"type": "array", "items": {"$ref": "#/components/schemas/Artifact"}},
            "error": {"anyOf": [{"type": "null"}, {"$ref": "#/components/schemas/Failure"}]}}},
          "JobList": {"allOf": [{"$ref": "#/components/schemas/ListPage"}, {"type": "object", "properties": {
            "data": {"type": "array", "items": {"$ref": "#/components/schemas/Job"}},
            "unreadable": {"type": "array", "items": {"type": "string"}, "description": "Ids of jobs that belong here, but that this version of the server cannot read"}}}]},
          "Artifact": {"type": "object", "required": ["id", "url", "content_type", "bytes", "expired"], "properties": {
            "id": {"type": "string"}, "url": {"type": "string"}, "content_type": {"enum": ["image/png", "video/mp4"]}, "bytes": {"type": "integer"}, "expired": {"type": "boolean"}}},
          "Model": {"type": "object", "required": ["id", "object", "created", "owned_by", "root"], "properties": {
            "id": {"type": "string"}, "object": {"const": "model"}, "created": {"type": "integer"}, "owned_by": {"type": "string"},
            "root": {"type": "string", "description": "The model that an alias stands for"}}},
          "Interval": {"type": "array", "items": {"type": ["number", "null"]}, "minItems": 2, "maxItems": 2},
          "Capabilities": {"type": "object", "required": ["object", "models", "limits"], "properties": {
            "object": {"const": "capabilities"},
            "limits": {"type": "object", "required": ["n", "partial_images", "prompt_characters", "loras", "lora_strength"], "properties": {
              "n": {"type": "integer"}, "partial_images": {"type": "integer"}, "prompt_characters": {"type": "integer"},
              "loras": {"type": "integer"}, "lora_strength": {"$ref": "#/components/schemas/Interval"}}},
            "models": {"type": "array", "items": {"type": "object", "required": ["id", "kinds", "default_generator", "generators", "sizes", "frames", "fps", "loras"], "properties": {
              "loras": {"type": "array", "items": {"type": "string"}, "description": "Names of the LoRA files that requests may use"},
              "id": {"type": "string"}, "kinds": {"type": "array", "items": {"enum": ["image", "video"]}}, "default_generator": {"type": "string"}, "fps": {"type": "integer"},
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
