import Foundation
import Tensor

/// Keeps the weights in memory that compute next, within a budget for the whole process.
///
/// A thread of its own carries out what a `ResidencyPlan` decides: it brings pieces of weights in before they are
/// needed and lets others go. Whoever reads a weight holds its piece meanwhile, and waits for it if it is not there;
/// that wait is what a switch of experts costs, and it is measured here.
package final class Residency: WeightMemory, @unchecked Sendable {
    /// A resident, by number.
    package typealias ID = Int

    /// Bytes that the process may have in memory, all told.
    package let budget: Int
    package let loading: WeightLoading
    private let memory: @Sendable () -> ProcessMemory
    /// Guards everything below.
    private let condition = NSCondition()
    private var plan: ResidencyPlan
    private var names: [(model: String, part: String)] = []
    private var pieces: [[Extent]] = []
    /// Bytes of each resident's own weights by the piece that they lie in: a piece may hold those of others too.
    private var ownBytes: [[Int: Int]] = []
    /// Where the pieces lie, sorted by address.
    private var places: [(start: UInt, end: UInt, piece: Int)] = []
    private var tally = ResidencyTally()
    /// Pieces that could not be brought: zeros are in their place until a pass has met them.
    private var faults: [Int: WeightError] = [:]
    private var lastHot: ID?
    /// `tally.stallSeconds` when the first pass after a switch began, while that pass runs.
    private var stallAtSwitch: Double?
    private var lastLook = ContinuousClock.now - .seconds(60)

    private struct Extent {
        let file: MappedFile
        let range: Range<Int>
    }

    /// Weights smaller than this share a piece with those that follow them.
    private static let smallestPiece = 4 << 20
    /// Seconds between two looks at how much memory the process takes while it computes.
    private static let lookSeconds = 0.1

    /// - Parameters:
    ///   - budget: bytes that the process may have in memory: weights, activations, everything.
    ///   - memory: what it has; measured now and then.
    package init(
        budget: Int, loading: WeightLoading = .mmap,
        memory: @escaping @Sendable () -> ProcessMemory = { ProcessMemory.current }
    ) {
        self.budget = budget
        self.loading = loading
        self.memory = memory
        plan = ResidencyPlan(room: budget)
        let thread = Thread { [weak self] in
            // The reference is strong only within a turn, so the residency ends with its owner.
            while self?.turn() != nil {}
        }
        thread.name = "phasor.weights"
        thread.start()
    }

    // MARK: Residents

    /// Takes charge of weights that lie in mapped files.
    /// - Parameters:
    ///   - model, part: what it is called in reports.
    ///   - weights: in the order a pass reads them. Weights that another resident has already are shared.
    package func add(model: String, part: String, _ weights: [Weight]) -> ID {
        condition.withLock {
            var list: [Int] = []
            var extents: [Extent] = []
            var added: [(start: UInt, end: UInt, piece: Int)] = []
            var files: [ObjectIdentifier: MappedFile] = [:]
            func close() {
                guard !extents.isEmpty else { return }
                let piece = plan.addPiece(bytes: extents.reduce(0) { $0 + $1.range.count })
                for extent in extents {
                    let start = extent.file.address(of: extent.range.lowerBound)
                    added.append((start, start + UInt(extent.range.count), piece))
                }
                pieces.append(extents)
                list.append(piece)
                extents = []
            }
            for weight in weights {
                guard let file = weight.owner as? MappedFile, let base = weight.bytes.baseAddress else { continue }
                files[ObjectIdentifier(file)] = file
                if let known = piece(at: UInt(bitPattern: base)) {
                    close()
                    if list.last != known { list.append(known) }
                    continue
                }
                let offset = Int(UInt(bitPattern: base) - file.address(of: 0))
                extents.append(Extent(file: file, range: offset..<offset + weight.bytes.count))
                if extents.reduce(0, { $0 + $1.range.count }) >= Self.smallestPiece { close() }
            }
            close()
            places = (places + added).sorted { $0.start < $1.start }
            for file in files.values {
                file.put(under: self)
                file.forget()
            }
            names.append((model, part))
            ownBytes.append(bytesByPiece(of: weights))
            return plan.addResident(list)
        }
    }

    /// Each weight counts once, however often a pass reads it.
    private func bytesByPiece(of weights: [Weight]) -> [Int: Int] {
        var bytes: [Int: Int] = [:]
        var seen: Set<UInt> = []
        for weight in weights where weight.owner is MappedFile {
            let address = UInt(bitPattern: weight.bytes.baseAddress)
            guard seen.insert(address).inserted, let piece = piece(at: address) else { continue }
            bytes[piece, default: 0] += weight.bytes.count
        }
        return bytes
    }

    /// The piece whose bytes include that address.
    private func piece(at address: UInt) -> Int? {
        var (low, high) = (0, places.count)
        while low < high {
            let middle = (low + high) / 2
            if places[middle].end <= address { low = middle + 1 } else { high = middle }
        }
        return low < places.count && places[low].start <= address ? places[low].piece : nil
    }

    // MARK: What computes

    /// Tells which residents compute next, in order: one entry for each pass through their weights.
    /// - Parameter model: the residents this tells about; what was told about others comes after.
    package func expect(_ passes: [ID], among model: Set<ID>) {
        condition.withLock {
            let others = plan.passes.dropFirst(plan.isUnderway ? 1 : 0).filter { !model.contains($0) }
            plan.expect(passes + others)
            condition.broadcast()
        }
    }

    /// Runs one pass through a resident's weights.
    /// - Throws: what `body` throws, or the `WeightError` of a weight that could not be read meanwhile.
    package func pass<R>(through id: ID, _ body: () throws -> R) throws -> R {
        condition.withLock {
            plan.begin(id)
            stallAtSwitch = lastHot == id ? nil : tally.stallSeconds
            lastHot = id
            condition.broadcast()
        }
        defer {
            condition.withLock {
                plan.end()
                if let before = stallAtSwitch {
                    tally.switches[id, default: .init()].count += 1
                    tally.switches[id, default: .init()].stallSeconds += tally.stallSeconds - before
                }
                for piece in plan.residents[id] where faults[piece] != nil {
                    mend(piece)
                    plan.lose(piece)
                }
                condition.broadcast()
            }
        }
        let result = try body()
        try check()
        return result
    }

    /// Throws if a weight of this pass could not be read. What was computed with it is of no use.
    package func check() throws(WeightError) {
        let fault: WeightError? = condition.withLock {
            guard !faults.isEmpty, plan.isUnderway else { return nil }
            return plan.residents[plan.passes[0]].lazy.compactMap { self.faults[$0] }.first
        }
        if let fault { throw fault }
    }

    /// Puts the file's bytes back where zeros were.
    private func mend(_ piece: Int) {
        guard faults.removeValue(forKey: piece) != nil else { return }
        for extent in pieces[piece] { extent.file.restore(extent.range) }
    }

    // MARK: Readers

    package func hold(_ bytes: UnsafeRawBufferPointer) {
        condition.withLock {
            guard let piece = piece(at: UInt(bitPattern: bytes.baseAddress)) else { return }
            if plan.hold(piece) {
                tally.bytesMet += bytes.count
            } else {
                let start = ContinuousClock.now
                repeat {
                    condition.broadcast()
                    condition.wait()
                } while !plan.hold(piece)
                tally.bytesMissed += bytes.count
                tally.stallSeconds += start.duration(to: .now) / .seconds(1)
            }
            if isWatching { condition.broadcast() }
        }
    }

    package func release(_ bytes: UnsafeRawBufferPointer) {
        condition.withLock {
            guard let piece = piece(at: UInt(bitPattern: bytes.baseAddress)) else { return }
            plan.release(piece)
        }
    }

    // MARK: The thread that moves

    /// The thread waits for the reading to move on.
    private var isWatching = false

    /// Does one move, or waits for a while.
    private func turn() {
        condition.lock()
        defer { condition.unlock() }
        look()
        guard let move = plan.nextMove else {
            isWatching = plan.isIncomplete
            _ = condition.wait(until: Date(timeIntervalSinceNow: plan.isUnderway ? Self.lookSeconds : 1))
            isWatching = false
            return
        }
        plan.begin(move)
        switch move {
        case .bring(let piece):
            let extents = pieces[piece]
            condition.unlock()
            let start = ContinuousClock.now
            let error = bring(extents)
            let seconds = start.duration(to: .now) / .seconds(1)
            condition.lock()
            tally.bytesRead += plan.pieces[piece].bytes
            tally.readSeconds += seconds
            if let error { faults[piece] = error }
        case .drop(let piece):
            mend(piece)
            let extents = pieces[piece]
            condition.unlock()
            for extent in extents { extent.file.unmap(extent.range, by: loading) }
            for extent in extents { extent.file.uncache(extent.range) }
            condition.lock()
        }
        plan.finish(move)
        tally.peakBytes = max(tally.peakBytes, plan.used)
        condition.broadcast()
    }

    private func bring(_ extents: [Extent]) -> WeightError? {
        do throws(WeightError) {
            for extent in extents { try extent.file.bring(extent.range, by: loading) }
            return nil
        } catch {
            for extent in extents { extent.file.blank(extent.range) }
            return error
        }
    }

    /// Sets the room of the weights: what the budget leaves beside everything else.
    private func look() {
        guard lastLook.duration(to: .now) / .seconds(1) >= Self.lookSeconds else { return }
        lastLook = .now
        let memory = memory()
        let own = loading == .read ? plan.used : 0
        let others = max(memory.total - plan.used, memory.anonymous - own, 0)
        plan.room = budget - others
    }

    // MARK: Report

    package var report: ResidencyReport {
        condition.withLock {
            ResidencyReport(
                budget: budget, room: plan.room, tally: tally,
                residents: names.indices.map { id in
                    ResidencyReport.Resident(
                        model: names[id].model, part: names[id].part, state: plan.state(of: id),
                        bytes: ownBytes[id].values.reduce(0, +),
                        bytesHere: ownBytes[id].reduce(0) { sum, own in
                            sum + (plan.pieces[own.key].presence == .here ? own.value : 0)
                        }, switches: tally.switches[id] ?? .init())
                })
        }
    }
}
