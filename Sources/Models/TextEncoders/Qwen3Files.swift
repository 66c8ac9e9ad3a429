extension KnownSet.File {
    /// The text encoder of Z-Image and of FLUX.2-klein-4B as one file.
    static func qwen3(_ type: String, _ megabytes: Int) -> KnownSet.File {
        KnownSet.File(.textEncoder, "unsloth/Qwen3-4B-GGUF/Qwen3-4B-\(type).gguf", megabytes)
    }
}
