import Tensor
import Testing

@Suite struct TensorTests {
    @Test func viewsShareMemoryAndKeepRowOrder() {
        let t = Tensor((0..<24).map(Float.init), shape: [2, 3, 4])
        #expect(t[1].shape == [3, 4])
        #expect(t[1].array == (12..<24).map(Float.init))
        #expect(t[1].slice(1..<3).array == (16..<24).map(Float.init))
        #expect(t.reshaped([6, 4])[5].array == [20, 21, 22, 23])
        t[1].withUnsafeMutable { $0[0] = -1 }
        #expect(t.array[12] == -1)
        let copy = t.copy()
        t.withUnsafeMutable { $0[0] = 99 }
        #expect(copy.array[0] == 0)
    }

    @Test func concatenateStacksTheFirstAxis() {
        let a = Tensor([1, 2], shape: [1, 2])
        let b = Tensor([3, 4, 5, 6], shape: [2, 2])
        let joined = Tensor.concatenate([a, b, a])
        #expect(joined.shape == [4, 2])
        #expect(joined.array == [1, 2, 3, 4, 5, 6, 1, 2])
        #expect(Tensor.concatenate([]).count == 0)
    }

    @Test func fillsAndZeros() {
        #expect(Tensor(zeros: [5]).array == [0, 0, 0, 0, 0])
        #expect(Tensor(repeating: 2, shape: [2, 2]).array == [2, 2, 2, 2])
    }
}
