import Foundation

/// The words of RULER's keys and lists, ours in place of the package wonderwords.
enum RulerWords {
  /// An adjective and a noun with a hyphen between, by number below ``pairCount``.
  static func pair(_ number: Int) -> String {
    "\(adjectives[number / nouns.count])-\(nouns[number % nouns.count])"
  }

  static var pairCount: Int { adjectives.count * nouns.count }

  /// Words of 4 to 10 small letters that all shipped novels have, in alphabetical order.
  static func common() throws(TextError) -> [String] {
    var common: Set<String> = []
    for (index, name) in ["emma", "persuasion", "northangerabbey", "sensesensibility"].enumerated()
    {
      let text = try Corpus(named: name, folder: URL(fileURLWithPath: "/")).text
      let words = words(of: text)
      common = index == 0 ? words : common.intersection(words)
    }
    return common.sorted()
  }

  private static func words(of text: String) -> Set<String> {
    let letters = UInt8(ascii: "a")...UInt8(ascii: "z")
    // A word that continues in a capital, a digit or an apostrophe is none.
    let stretches = Array(text.utf8).split { byte in
      byte < 0x80 && !(0x30...0x39).contains(byte) && !(0x41...0x5A).contains(byte)
        && !letters.contains(byte) && byte != UInt8(ascii: "'") && byte != UInt8(ascii: "_")
    }
    var words: Set<String> = []
    for stretch in stretches
    where 4...10 ~= stretch.count && stretch.allSatisfy(letters.contains) {
      words.insert(String(decoding: stretch, as: UTF8.self))
    }
    return words
  }

  private static let adjectives = split(
    """
    amber ancient autumn bitter blue bold brave brief bright broad broken calm careful cheerful clever
    clumsy cold coral crimson crooked curious dapper daring dusty eager early elegant empty faint famous
    fancy fearless fierce foggy fragile frosty gentle giant gifted golden graceful grand greedy green grumpy
    happy hasty heavy hidden hollow honest humble hungry icy idle jolly keen kind large lazy little lively
    lonely loud loyal lucky merry mighty misty modest narrow nervous noble odd orange pale patient plain
    playful polite proud purple quaint quick quiet rapid rare ripe rough round royal rusty salty scarlet
    secret shallow sharp shiny shy silent silver simple sleepy slender slow smooth snowy solemn spare steady
    stout strange sturdy sunny sweet swift tall tame tender thirsty tidy tiny vivid wandering warm weary wild
    windy winter wise wooden yellow young
    """)

  private static let nouns = split(
    """
    acorn anchor apple apron arrow attic badger bakery balcony banner barrel basket beacon beaver bell bench
    berry blanket bottle boulder bridge bucket butter button cabin camel candle canoe canyon carpet castle
    cellar chapel cherry chimney circus cliff clock cloud coast comet compass copper cottage cradle crane
    cricket crown curtain dagger dolphin donkey dragon drum eagle easel ember engine falcon feather fence
    ferry fiddle flag flute forest fountain fox galley garden garlic gate glacier globe goblet grove hammer
    harbor harp hawk hedge helmet heron hill honey horse island ivy jacket jewel jungle kettle kite ladder
    lagoon lantern lemon letter library lily lizard lobster locket magnet mango maple marble market meadow
    melon mill mirror monkey moon mountain needle nest oak oasis olive onion orchard otter owl oyster paddle
    palace panther parrot pebble pencil pepper piano pigeon pillow pine pirate planet plum pocket pony poppy
    portrait pumpkin puzzle quilt rabbit raven ribbon river robin rocket saddle sailor salmon scarf shadow
    shell shepherd ship spider spoon squirrel stable statue stone stove swan tailor teapot temple thimble
    thunder tiger tower trumpet tulip tunnel turtle valley velvet vessel village violin wagon walnut walrus
    whale whistle willow window wolf wren
    """)

  private static func split(_ words: String) -> [String] {
    words.split(whereSeparator: \.isWhitespace).map(String.init)
  }
}
