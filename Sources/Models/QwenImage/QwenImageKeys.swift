import Weights

/// Keys of repackaged Qwen-Image files: diffusers' own names, which GGUF files have too, under a prefix.
package enum QwenImageKeys {
    package static let transformer = KeyTable(prefixes: ["model.diffusion_model.", "diffusion_model."], [])
}
