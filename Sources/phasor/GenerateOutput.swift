import ArgumentParser
import Foundation

/// Where `phasor generate` writes, and what: a picture or a clip.
struct GenerateOutput {
    let file: OutputFile
    let isClip: Bool

    /// - Parameters:
    ///   - given: a name that ends in .png or .mp4, `-` for standard output, or nil for a name made of prompt and seed.
    ///   - frames: more than one make a clip where no name says what to make.
    /// - Throws: `ValidationError` for another ending, `OutputError` where nothing can be written.
    init(_ given: String?, prompt: String, seed: UInt64, frames: Int?) throws {
        let wantsClip = (frames ?? 1) > 1
        guard let given, given != "-" else {
            isClip = wantsClip
            let name = FileNaming.free(prompt: prompt, seed: seed, ending: isClip ? "mp4" : "png")
            file = try OutputFile(given ?? name)
            return
        }
        switch (given as NSString).pathExtension.lowercased() {
        case "png": isClip = false
        case "mp4": isClip = true
        default:
            throw ValidationError(
                "--output \(given): the name must end in .png for a picture or .mp4 for a clip; - is standard output")
        }
        file = try OutputFile(given)
    }
}
