import ArgumentParser
import Foundation
import Media

/// Where `phasor generate` writes, and what: a picture or a clip.
struct GenerateOutput {
    let file: OutputFile
    let type: FileType

    /// - Parameters:
    ///   - given: a name with the ending of a picture or clip, `-` for standard output, or nil for a name made of prompt and seed.
    ///   - frames: more than one make a clip where no name says what to make.
    /// - Throws: `ValidationError` for another ending, `OutputError` where nothing can be written.
    init(_ given: String?, prompt: String, seed: UInt64, frames: Int?) throws {
        let wantsClip = (frames ?? 1) > 1
        guard let given, given != "-" else {
            type = wantsClip ? .mp4 : .png
            let name = FileNaming.free(prompt: prompt, seed: seed, ending: type.rawValue)
            file = try OutputFile(given ?? name)
            return
        }
        guard let type = FileType(path: given) else {
            throw ValidationError(
                "--output \(given): the name must end in .png, .jpg or .webp for a picture or .mp4 for a clip; - is "
                    + "standard output")
        }
        self.type = type
        file = try OutputFile(given)
    }
}
