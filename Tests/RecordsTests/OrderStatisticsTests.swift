import Records
import Testing

@Suite("Quantiles")
struct OrderStatisticsTests {
  @Test("A quantile lies between order statistics, at fraction · (count − 1)")
  func values() {
    #expect([Double]().quantile(0.95) == nil)
    #expect([3.0].quantile(0.95) == 3)
    #expect([4.0, 1, 3, 2].quantile(0.5) == 2.5)
    #expect([4.0, 1, 3, 2].quantile(0) == 1)
    #expect([4.0, 1, 3, 2].quantile(1) == 4)
    #expect([4.0, 1, 2].median == 2 && [4.0, 1].median == 2.5 && [Double]().median == nil)
  }
}
