/// The step rules, and which grid of sigmas each of them walks: whoever reads or builds a generator asks here.
package enum SamplerKind: String, Sendable, Codable, CaseIterable {
    /// x += (sigma' - sigma) v
    case euler
    /// Predict x0, then add fresh noise of the next level (DMD2, LCM): x = (1 - sigma') x0 + sigma' eps
    case renoise
    /// Order 2 multistep, B(h) = bh2, with corrector
    case uniPC = "unipc"
    /// DPM-Solver++ 2M (arXiv 2211.01095): unipc's order 2 without the corrector
    case dpm = "dpm++"
    /// Down beyond the next level, then up to it with fresh noise (SDXL-Turbo)
    case ancestral
    /// Euler's rule that ends at time 0, not at a latent without noise (Hyper-SD)
    case ddim
    /// Down to a share of the next time, then up to it with fresh noise (trajectory consistency, arXiv 2402.19159)
    case tcd

    /// The grid that so many steps and a shift stand for: the multistep rules have grids of their own.
    package func grid(steps: Int, shift: Double) -> SigmaGrid {
        switch self {
        case .uniPC: .uniPCFlow(steps: steps, shift: shift)
        case .dpm: .dpmFlow(steps: steps, shift: shift)
        case .euler, .renoise, .ancestral, .ddim, .tcd: .shifted(steps: steps, shift: shift)
        }
    }

    /// Why the step rule does not walk a grid; nil where it does.
    package func refusal(of grid: SigmaGrid) -> String? {
        switch (self, grid) {
        case (.uniPC, .uniPCFlow), (.dpm, .dpmFlow), (.renoise, .trigonometric): nil
        case (.uniPC, .discrete): "unipc does not walk the times of Stable Diffusion"
        case (.uniPC, _), (.dpm, _):
            "\(rawValue) has its own grid: give it 'steps' and 'shift', not sigmas"
        case (_, .uniPCFlow), (_, .dpmFlow): "the grid of unipc and dpm++ is for those only"
        case (_, .trigonometric): "the times of a trigonometric flow are for renoise only"
        case (_, .discrete): nil
        case (.ancestral, _), (.ddim, _), (.tcd, _): "\(rawValue) walks the times of Stable Diffusion only"
        case (.euler, _), (.renoise, _): nil
        }
    }
}
