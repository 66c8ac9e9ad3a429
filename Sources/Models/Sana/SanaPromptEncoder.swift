import PromptText
import Synchronization
import Tensor

/// The text side of SANA: an instruction, then the prompt in lower case, read by Gemma 2. The network is given the row of `<bos>`
/// and those from the end of the instruction on; a negative prompt has no instruction and gives all of its rows.
///
/// Reference: `_get_gemma_prompt_embeds` and `encode_prompt` in diffusers' pipeline_sana_sprint.py and pipeline_sana.py. Rows of
/// padding, which nothing attends to, are not there at all.
package struct SanaPromptEncoder: PromptEncoder {
    package let tokenizer: GemmaTokenizer
    package let encoder: Gemma2Encoder
    private let instructionIDs: [Int]
    /// What the instruction leaves behind in the encoder, once it was read: most tokens of a text are the instruction's.
    private let kept = Kept()

    package var width: Int { encoder.config.dim }
    /// Rows that the network is given.
    package let length = 300

    /// Stands before a negative prompt, so that it can be told from a prompt.
    package static let negativeMark = "\u{0}"

    /// The prompt follows the last line.
    package static let instruction = [
        "Given a user prompt, generate an 'Enhanced prompt' that provides detailed visual descriptions suitable for image "
            + "generation. Evaluate the level of detail in the user prompt:",
        "- If the prompt is simple, focus on adding specifics about colors, shapes, sizes, textures, and spatial "
            + "relationships to create vivid and concrete scenes.",
        "- If the prompt is already detailed, refine and enhance the existing details slightly without overcomplicating.",
        "Here are examples of how to transform or refine prompts:",
        "- User Prompt: A cat sleeping -> Enhanced: A small, fluffy white cat curled up in a round shape, sleeping "
            + "peacefully on a warm sunny windowsill, surrounded by pots of blooming red flowers.",
        "- User Prompt: A busy city street -> Enhanced: A bustling city street scene at dusk, featuring glowing street "
            + "lamps, a diverse crowd of people in colorful clothing, and a double-decker bus passing by towering glass "
            + "skyscrapers.",
        "Please generate only the enhanced description for the prompt below and avoid including any additional "
            + "commentary or evaluations:",
        "User Prompt: ",
    ].joined(separator: "\n")

    private final class Kept: Sendable {
        let memory = Mutex<Gemma2Encoder.Memory?>(nil)
    }

    package init(tokenizer: GemmaTokenizer, encoder: Gemma2Encoder) {
        self.tokenizer = tokenizer
        self.encoder = encoder
        instructionIDs = tokenizer.encode(Self.instruction)
    }

    package func cleaned(_ prompt: String) -> String {
        Self.isNegative(prompt)
            ? Self.negativeMark + Self.unmarked(prompt).pythonLowercasedAndStripped
            : prompt.pythonLowercasedAndStripped
    }

    private static func unmarked(_ prompt: String) -> String { String(prompt.unicodeScalars.dropFirst()) }

    private static func isNegative(_ prompt: String) -> Bool {
        prompt.unicodeScalars.first == negativeMark.unicodeScalars.first
    }

    /// The ids that the encoder reads, the instruction's among them.
    package func ids(of prompt: String) -> [Int] {
        let text = cleaned(prompt)
        return Self.isNegative(text)
            ? tokenizer.encode(Self.unmarked(text), maximumLength: length)
            : tokenizer.encode(Self.instruction + text, maximumLength: instructionIDs.count + length - 2)
    }

    /// The rows of the prompt that the network would be given if there were no limit.
    package func tokenCount(of prompt: String) -> Int {
        let text = cleaned(prompt)
        return Self.isNegative(text)
            ? tokenizer.encode(Self.unmarked(text)).count
            : rowCount(of: tokenizer.encode(Self.instruction + text).count)
    }

    /// The rows that the network is given of so many ids with the instruction: that of `<bos>`, and those from the instruction's
    /// last id on.
    private func rowCount(of ids: Int) -> Int { max(ids - instructionIDs.count + 2, 1) }

    package func encode(_ prompt: String, interrupt: () throws -> Void) throws -> Conditioning {
        Conditioning(rows: try rows(of: prompt, interrupt: interrupt))
    }

    /// The rows `[n, width]` of a prompt, n at most `length`.
    package func rows(of prompt: String, interrupt: () throws -> Void = {}) throws -> Tensor {
        let ids = ids(of: prompt)
        return Self.isNegative(prompt)
            ? try encoder.encode(ids, interrupt: interrupt) : try rows(ofInstructed: ids, interrupt: interrupt)
    }

    package func encode(tokens count: Int) throws -> Conditioning {
        let ids = instructionIDs.dropLast() + [Int](repeating: 0, count: max(min(count, length) - 1, 1))
        return Conditioning(rows: try rows(ofInstructed: Array(ids), interrupt: {}))
    }

    private func rows(ofInstructed ids: [Int], interrupt: () throws -> Void) throws -> Tensor {
        // The instruction's last token may have grown together with the prompt's first.
        let first = instructionIDs.count - 1
        let shared = min(zip(ids, instructionIDs).prefix { $0 == $1 }.count, first)
        guard shared > 0, shared < ids.count else {
            let rows = try encoder.encode(ids, interrupt: interrupt)
            return chosen(start: rows.slice(0..<1), rest: rows, from: first)
        }
        let memory = try instruction(interrupt: interrupt).prefix(shared)
        let rest = try encoder.encode(Array(ids[shared...]), after: memory, interrupt: interrupt)
        return chosen(start: memory.rows.slice(0..<1), rest: rest, from: first - shared)
    }

    private func chosen(start: Tensor, rest: Tensor, from first: Int) -> Tensor {
        first < rest.shape[0] ? Tensor.concatenate([start, rest.slice(first..<rest.shape[0])]) : start
    }

    /// What the instruction but for its last token leaves behind: computed once, always by itself, so that the same prompt gives
    /// the same bits before and after.
    private func instruction(interrupt: () throws -> Void) throws -> Gemma2Encoder.Memory {
        if let known = kept.memory.withLock({ $0 }) { return known }
        let made = try encoder.memory(of: instructionIDs.dropLast(), interrupt: interrupt)
        if !MemoryPlan.isUnderway { kept.memory.withLock { $0 = made } }
        return made
    }
}
