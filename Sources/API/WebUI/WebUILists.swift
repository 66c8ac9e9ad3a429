import HTTP
import Jobs
import Support
import Weights

/// What clients of the A1111 web UI ask for at their start to fill their menus, and posts that change nothing here. A
/// list of what this server has none of is empty.
struct WebUILists: Sendable {
    static let empty = [
        "latent-upscale-modes", "sd-vae", "sd-modules", "prompt-styles", "face-restorers", "hypernetworks",
        "realesrgan-models", "script-info", "extensions",
    ]
    /// Answered with an empty object: there is nothing to be done.
    static let posts = [
        "refresh-checkpoints", "refresh-loras", "refresh-vae", "refresh-embeddings", "reload-checkpoint",
        "unload-checkpoint", "skip",
    ]
    /// Route to the field that says what is wanted.
    static let refused = [
        "extra-single-image": "image", "extra-batch-images": "imageList",
        "interrogate": "image",
    ]

    func register(in router: inout Router, uploadLimit: Int) {
        router.add("POST", "/sdapi/v1/png-info", bodyLimit: uploadLimit) { try PNGParameters.answer($0) }
        for name in Self.empty { router.add("GET", "/sdapi/v1/\(name)") { _ in .json([]) } }
        for name in Self.posts { router.add("POST", "/sdapi/v1/\(name)") { _ in .json([:]) } }
        for (name, field) in Self.refused.sorted(by: { $0.key < $1.key }) {
            router.add("POST", "/sdapi/v1/\(name)", readsBody: false) { _ in
                throw APIError.invalid(
                    field, "\(name) is not supported: this server's models make images from text; use txt2img",
                    code: "unsupported")
            }
        }
        router.add("GET", "/sdapi/v1/schedulers") { _ in .json(Self.schedulers) }
        router.add("GET", "/sdapi/v1/upscalers") { _ in .json(Self.upscalers) }
        router.add("GET", "/sdapi/v1/scripts") { _ in .json(["txt2img": [], "img2img": []]) }
        router.add("GET", "/sdapi/v1/embeddings") { _ in .json(["loaded": [:], "skipped": [:]]) }
        router.add("GET", "/sdapi/v1/cmd-flags") { _ in .json(["api": true, "nowebui": true]) }
        router.add("GET", "/sdapi/v1/memory") { _ in .json(Self.memory) }
    }

    /// The generator decides the sigmas, so there is one choice.
    private static let schedulers: JSON = [
        ["name": "automatic", "label": "Automatic", "aliases": .null, "default_rho": -1, "need_inner_model": false]
    ]

    private static let upscalers: JSON = [
        ["name": "None", "model_name": .null, "model_path": .null, "model_url": .null, "scale": 1]
    ]

    /// The memory of this process; the web UI tells the memory of its device.
    private static var memory: JSON {
        let used = ProcessMemory.current.total
        return [
            "ram": ["free": 0, "used": JSON(used), "total": JSON(used)],
            "cuda": ["error": "no CUDA: it computes on CPUs"],
        ]
    }
}
