import TestSupport
import Testing
import Weights

/// The plan with a mover that carries out so many moves for each piece that is read.
private struct Machine {
    var plan: ResidencyPlan
    /// Moves between two reads; .max is a disk that is always ahead.
    var pace: Int
    var bytesRead = 0
    var missed: [Int] = []

    init(_ residents: [[Int]], room: Int, pace: Int = .max) {
        plan = ResidencyPlan(room: room)
        self.pace = pace
        for sizes in residents {
            let pieces = sizes.map { plan.addPiece(bytes: $0) }
            _ = plan.addResident(pieces)
        }
    }

    /// - Returns: whether there was something to do.
    mutating func move() -> Bool {
        guard let move = plan.nextMove else { return false }
        if case .drop(let piece) = move { #expect(plan.pieces[piece].holds == 0) }
        plan.begin(move)
        plan.finish(move)
        if case .bring(let piece) = move { bytesRead += plan.pieces[piece].bytes }
        return true
    }

    mutating func settle(_ moves: Int) {
        var left = moves
        while left > 0, move() { left -= 1 }
    }

    mutating func pass(_ resident: Int) {
        plan.begin(resident)
        for piece in plan.residents[resident] {
            if !plan.hold(piece) {
                missed.append(piece)
                var moves = 0
                while !plan.hold(piece) {
                    #expect(move(), "nothing moves, but piece \(piece) is waited for")
                    moves += 1
                    guard moves <= 2 * plan.pieces.count else { return }
                }
            }
            settle(pace)
            plan.release(piece)
        }
        plan.end()
        settle(pace)
    }
}

@Suite struct ResidencyPlanTests {
    /// Two experts, two steps each, room for one and a half: the second arrives in the room that the first leaves
    /// behind, and computing never waits for it.
    @Test func theNextExpertArrivesWhileThisOneComputes() {
        let expert = [Int](repeating: 10, count: 30)
        var machine = Machine([expert, expert], room: 450)
        machine.plan.expect([0, 0, 1, 1])
        machine.settle(.max)
        #expect(machine.plan.bytesHere(of: 0) == 300)
        #expect(machine.plan.bytesHere(of: 1) == 150)
        #expect(machine.plan.state(of: 1) == .arriving)
        for resident in [0, 0, 1, 1] { machine.pass(resident) }
        #expect(machine.missed.isEmpty)
        #expect(machine.bytesRead == 600)
        #expect(machine.plan.state(of: 1) == .leaving)
    }

    /// Nothing of what computes again soon leaves for what computes later.
    @Test func theHotExpertStaysWhole() {
        var machine = Machine([[Int](repeating: 10, count: 30), [Int](repeating: 10, count: 30)], room: 330)
        machine.plan.expect([0, 0, 0, 0, 1])
        machine.settle(.max)
        for _ in 0..<3 {
            machine.pass(0)
            #expect(machine.plan.bytesHere(of: 0) == 300)
        }
        #expect(machine.bytesRead == 330)
    }

    /// An expert larger than the room streams past; each turn reads at most twice what is missing, and a piece.
    @Test(arguments: [30, 100, 200, 270]) func aLargerExpertStreams(room: Int) {
        var machine = Machine([[Int](repeating: 10, count: 30)], room: room)
        machine.plan.expect([Int](repeating: 0, count: 20))
        for _ in 0..<5 { machine.pass(0) }
        let before = machine.bytesRead
        machine.missed = []
        for _ in 0..<10 { machine.pass(0) }
        #expect((machine.bytesRead - before) / 10 <= 2 * (300 - room) + 10)
        #expect(machine.missed.isEmpty)
        #expect(machine.plan.used <= room)
    }

    @Test func whatFitsIsReadOnce() {
        var machine = Machine([[5, 5], [7, 7, 7], [2]], room: 33, pace: 1)
        for _ in 0..<5 {
            machine.plan.expect([0, 1, 1, 2, 0, 1])
            for resident in [0, 1, 1, 2] { machine.pass(resident) }
        }
        #expect(machine.bytesRead == 33)
    }

    /// A piece larger than the room comes all the same, when it is waited for and everything else has left.
    @Test func noRoomIsNoDeadlock() {
        var machine = Machine([[10, 40, 10]], room: 15)
        machine.plan.expect([0])
        machine.pass(0)
        #expect(machine.missed.contains(1))
    }

    /// When activations grow, weights give way.
    @Test func aRoomThatShrinksIsLeft() {
        var machine = Machine([[10, 10, 10, 10]], room: 40)
        machine.plan.expect([0])
        machine.settle(.max)
        #expect(machine.plan.used == 40)
        machine.plan.room = 20
        machine.settle(.max)
        #expect(machine.plan.used == 20)
        #expect(machine.plan.pieces[0].presence == .here)
    }

    /// Residents that share a base, as LoRA experts do, switch without reading it again.
    @Test func sharedPiecesStay() {
        var plan = ResidencyPlan(room: 1000)
        let base = (0..<5).map { _ in plan.addPiece(bytes: 100) }
        let (high, low) = (plan.addPiece(bytes: 10), plan.addPiece(bytes: 10))
        #expect(plan.addResident(base + [high]) == 0)
        #expect(plan.addResident(base + [low]) == 1)
        plan.expect([0, 1])
        var brought = 0
        while let move = plan.nextMove {
            plan.begin(move)
            plan.finish(move)
            brought += 1
        }
        #expect(brought == 7)
        #expect(plan.used == 520)
    }

    /// Whatever is expected, begun, read and ended, in any order and with moves at any time: what is read is there,
    /// what is held stays, and no more is in memory than there is room for, but for what is waited for.
    @Test(arguments: 0..<300) func randomSequences(seed: UInt64) {
        var random = SplitMix64(seed: seed)
        var plan = ResidencyPlan(room: Int.random(in: 1...400, using: &random))
        let count = Int.random(in: 1...40, using: &random)
        for _ in 0..<count { _ = plan.addPiece(bytes: Int.random(in: 1...20, using: &random)) }
        for _ in 0..<Int.random(in: 1...4, using: &random) {
            let some = (0..<count).filter { _ in Bool.random(using: &random) }
            _ = plan.addResident(some.isEmpty ? [0] : some)
        }
        var held: [Int] = []
        var underway: ResidencyPlan.Move?
        func finish() {
            if let move = underway { plan.finish(move) }
            underway = nil
        }
        for _ in 0..<2000 {
            switch Int.random(in: 0..<8, using: &random) {
            case 0:
                let length = Int.random(in: 0...6, using: &random)
                plan.expect((0..<length).map { _ in Int.random(in: plan.residents.indices, using: &random) })
            case 1: plan.begin(Int.random(in: plan.residents.indices, using: &random))
            case 2: plan.end()
            case 3: plan.room = Int.random(in: 1...400, using: &random)
            case 4:
                let piece = Int.random(in: 0..<count, using: &random)
                var moves = 0
                while !plan.hold(piece) {
                    finish()
                    underway = plan.nextMove
                    if let underway { plan.begin(underway) }
                    finish()
                    moves += 1
                    if moves > 3 * count {
                        Issue.record("piece \(piece) never comes")
                        return
                    }
                }
                held.append(piece)
            case 5: if let piece = held.popLast() { plan.release(piece) }
            default:
                finish()
                guard let move = plan.nextMove else { continue }
                if case .drop(let piece) = move { #expect(!held.contains(piece)) }
                if case .bring(let piece) = move { #expect(plan.used + plan.pieces[piece].bytes <= plan.room) }
                plan.begin(move)
                underway = move
            }
            #expect(held.allSatisfy { plan.pieces[$0].presence == .here })
            let inMemory = plan.pieces.filter { $0.presence != .away }.reduce(0) { $0 + $1.bytes }
            #expect(plan.used == inMemory)
        }
    }
}
