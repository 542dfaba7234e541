internal import Problems

extension TaskLocal {
    /// Runs `body` with a value bound for this thread. `withValue` does not keep the error's type.
    func during<R>(_ value: Value, _ body: () throws(Problem) -> R) throws(Problem) -> R {
        let outcome: Result<R, Problem> = withValue(value) {
            do throws(Problem) { return .success(try body()) } catch { return .failure(error) }
        }
        return try outcome.get()
    }
}
