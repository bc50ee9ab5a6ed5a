"""Test sentences of the protocol `negation`: templates and words that training has not, and 70 by hand.

Nothing here may be trained on, chosen on or copied into `training/corpora/service_talk`. Where there are
several labels, any of them is right.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from stream_emo.training.corpora.grammar import Grammar, Template

_NEUTRAL, _HAPPY, _CROSS = ("neutral",), ("happy",), ("angry", "sad", "disgusted")
_SAD, _CALM, _AT_EASE, _FEARFUL = ("sad",), ("neutral", "sad"), ("neutral", "happy"), ("fearful",)

_WORDS: Mapping[str, Sequence[str]] = {
    "keen": ("overjoyed", "keen", "amused", "charmed", "enthusiastic", "elated"),
    "fine": ("splendid", "amazing", "fabulous", "awesome", "superb", "outstanding"),
    "cross": ("irritated", "bitter", "frustrated", "resentful", "enraged", "grumpy"),
    "uneasy": ("frightened", "alarmed", "panicking", "uneasy", "on edge"),
    "thing": ("my hotel room", "the rental car", "my gym membership", "the new kitchen", "my claim",
              "the tax form", "the vaccination", "the dentist", "the lease", "my pension", "the printer"),
    "team": ("your team", "the landlord", "the garage", "the clinic", "your driver", "the airline"),
    "blunder": ("the garage scratched my car", "the boiler has packed up", "my luggage is in Lisbon",
                "the bus drove straight past me", "the screen has cracked", "you deleted my file",
                "the shop shut ten minutes ago", "the roof is leaking"),
    "luck": ("my luggage turned up", "the boiler is running", "the car passed its inspection",
             "I got the scholarship", "the scan is clear", "our loan was granted", "the sun came out"),
    "blunder_news": ("Your luggage went to Lisbon.", "The repair will cost twice as much.",
                     "The doctor has gone home already.", "We deleted your file by mistake.",
                     "The shop has just closed.", "You are number ninety in the queue."),
    "luck_news": ("Your luggage is waiting at the desk.", "The repair costs nothing.",
                  "The doctor can see you now.", "Your scholarship was granted.",
                  "You are first in the queue.", "We kept the best table for you."),
    "place": ("Harbour Row", "Elm Crescent", "Castle Hill", "Victoria Terrace"),
    "when": ("at a quarter past three", "on the nineteenth", "in September", "on Sunday", "after lunch"),
    "code": ("seven one nine oh two", "B as in Berlin, forty-one", "oh seven seven, six one five",
             "38 16 02"),
}  # fmt: skip

GRAMMAR = Grammar(_WORDS)
"""Words that training has not."""

TEMPLATES: Mapping[str, Sequence[Template]] = {
    "negated pleasure": [
        Template("I'm hardly {keen} with the way {team} dealt with {thing}", _CROSS),
        Template("it isn't as if anyone was {keen} when they saw {thing}", _CROSS),
        Template("{thing} turned out anything but {fine}", _CROSS),
        Template("don't expect me to be {keen} after what {team} did", _CROSS),
        Template("neither my partner nor I was {keen}, and {team} could tell", _CROSS),
        Template("you can't tell me that {thing} is {fine}", _CROSS),
    ],
    "negated distress": [
        Template("please don't think I'm {cross}, I only have a question on {thing}", _CALM),
        Template("nobody's {cross} at you, we just go over {thing} once more", _CALM),
        Template("I used to be {uneasy} around {thing}, but not now", _AT_EASE),
        Template("I'm neither {cross} nor {uneasy}, go on", _AT_EASE),
        Template("{thing} never made me {uneasy}", _AT_EASE),
        Template("no hard feelings about {thing}", _AT_EASE),
    ],
    "negated to the best": [
        Template("there's nobody more {keen} than me right now", _HAPPY),
        Template("I have yet to see anything as {fine} as {thing}", _HAPPY),
        Template("nobody has ever looked after me as well as {team}", _HAPPY),
        Template("can't fault {team}, {fine} from start to finish", _HAPPY),
    ],
    "sarcasm": [
        Template("{blunder}, isn't that {fine}", _CROSS),
        Template("my compliments to {team}, {blunder}", _CROSS),
        Template("oh joy, {blunder}", _CROSS),
        Template("{fine} planning, {blunder} and I'm stranded", _CROSS),
        Template("couldn't have asked for more: {blunder}", _CROSS),
    ],
    "sarcasm in context": [
        Template("{fine}, just {fine}", _CROSS, "{blunder_news}"),
        Template("oh what a treat", _CROSS, "{blunder_news}"),
        Template("this day keeps getting better", _CROSS, "{blunder_news}"),
    ],
    "the same words in earnest": [
        Template("{luck}, isn't that {fine}", _HAPPY),
        Template("my compliments to {team}, {luck}", _HAPPY),
        Template("oh joy, {luck}", _HAPPY),
        Template("{fine}, just {fine}", _HAPPY, "{luck_news}"),
        Template("oh what a treat", _HAPPY, "{luck_news}"),
        Template("this day keeps getting better", _HAPPY, "{luck_news}"),
    ],
    "business": [
        Template("which desk handles {thing}", _NEUTRAL),
        Template("put me down for {thing} {when}", _NEUTRAL),
        Template("I was given the code {code} for {thing}", _NEUTRAL),
        Template("we're at flat nine, {place}, second entrance", _NEUTRAL),
        Template("they said someone comes by {when} to look at {thing}", _NEUTRAL),
        Template("the reference reads {code}", _NEUTRAL),
    ],
}
"""Templates that training has not."""

BY_HAND: Mapping[str, Sequence[Template]] = {
    "complaint": [
        Template("Three people have told me three different things and none of it was true.", _CROSS),
        Template("I've got better things to do than chase you for my own money.", _CROSS),
        Template("You've had my documents since spring. What on earth are you doing over there?", _CROSS),
        Template("Every time I ring up, somebody hangs up on me.", _CROSS),
        Template("The driver threw the box over the fence and left.", _CROSS),
        Template("Do you have any idea how much this has cost me already?", _CROSS),
        Template("I will not pay for a meal that came out cold twice.", _CROSS),
        Template("Take my name off your list, I've asked you before.", _CROSS),
        Template("Your app keeps logging me out and I'm losing my patience.", _CROSS),
        Template("This is the worst stay we ever had.", _CROSS),
    ],
    "negated pleasure": [
        Template("I wouldn't exactly say we enjoyed ourselves.", _CROSS),
        Template("The children weren't pleased when they heard.", _CROSS),
        Template("It's not what I would call a nice surprise.", _CROSS),
        Template("We didn't like the flat one bit.", _CROSS),
        Template("That was no fun at all.", _CROSS),
        Template("He never once said anything kind to me.", _CROSS),
        Template("I don't love my job any more.", _CROSS),
        Template("You people are not helping.", _CROSS),
        Template("Nothing about today was good.", _CROSS),
        Template("I'm not proud of how I acted.", _CROSS),
    ],
    "negated distress": [
        Template("I'm not mad at you, honestly, it was an easy mistake.", _AT_EASE),
        Template("It's not a disaster, we'll just take the next one.", _AT_EASE),
        Template("She isn't worried about it in the least.", _AT_EASE),
        Template("No, it doesn't hurt, you can carry on.", _AT_EASE),
        Template("We weren't scared, it was only thunder.", _AT_EASE),
        Template("I've no reason to complain, really.", _AT_EASE),
        Template("There's no rush, I'm not in a hurry.", _AT_EASE),
        Template("I'm not sad about leaving, it was time.", _AT_EASE),
        Template("That didn't bother me at all.", _AT_EASE),
        Template("I don't hate it, I just prefer the blue one.", _AT_EASE),
    ],
    "sarcasm": [
        Template("Fantastic, the one day I need the car it won't start.", _CROSS),
        Template("Oh sure, take your time, it's not like I have a job to go to.", _CROSS),
        Template("Brilliant idea, leaving the window open in a storm.", _CROSS),
        Template("So glad I paid extra for express, it only took a month.", _CROSS),
        Template("Wow, an apology by text message. How thoughtful.", _CROSS),
        Template("Love that for me.", _CROSS, "They gave my promotion to the new guy."),
        Template("Oh, splendid timing.", _CROSS, "We're shutting the water off in five minutes."),
        Template("Well, thanks, that's very useful.", _CROSS, "I'm afraid I can't help you with that."),
        Template("Of course you did.", _CROSS, "I forgot to book the tickets."),
        Template("Can't wait.", _CROSS, "You'll have to spend the weekend filling in these forms again."),
    ],
    "earnest": [
        Template("Fantastic, the car started first time.", _HAPPY),
        Template("So glad I paid extra for express, it came the next morning.", _HAPPY),
        Template("You've been an absolute star, cheers.", _HAPPY),
        Template("I could kiss you, that's exactly the part I was missing!", _HAPPY),
        Template("Oh, that's lovely to hear.", _HAPPY, "Your mother is doing much better this morning."),
        Template("Can't wait.", _HAPPY, "We've booked you the suite with the view of the sea."),
        Template("Best service I've had in years.", _HAPPY),
        Template("We had such a laugh on Saturday.", _HAPPY),
        Template("I'm grinning from ear to ear.", _HAPPY),
        Template("Love that for me.", _HAPPY, "They're giving you the promotion."),
    ],
    "worry and grief": [
        Template("Something's wrong with the baby, she's burning up.", _FEARFUL),
        Template("I keep checking the locks at night.", _FEARFUL),
        Template("What am I supposed to do if they cut us off before Christmas?", _FEARFUL),
        Template("I can hear footsteps upstairs and nobody else is home.", _FEARFUL),
        Template("I've been dreading this call all week.", _FEARFUL),
        Template("The house is so quiet without him.", _SAD),
        Template("We had to put the cat to sleep yesterday.", _SAD),
        Template("I don't see the point in getting up some days.", _SAD),
        Template("He would have turned eighty tomorrow.", _SAD),
        Template("I thought you'd remember my birthday.", _SAD),
    ],
    "plain": [
        Template("Could you put me through to billing, please?", _NEUTRAL),
        Template("I need to know which platform it leaves from.", _NEUTRAL),
        Template("It's the grey one, next to the stairs.", _NEUTRAL),
        Template("We'd be four adults and two children.", _NEUTRAL),
        Template("Let me read that back to you: nine, nine, four, zero.", _NEUTRAL),
        Template("My surname has two Ls in it.", _NEUTRAL),
        Template("I'm ringing about the letter from the second of May.", _NEUTRAL),
        Template("The parcel weighs about six kilos.", _NEUTRAL),
        Template("Is the pharmacy open on Sundays?", _NEUTRAL),
        Template("I usually take the bus to work.", _NEUTRAL),
    ],
}
"""Sentences by hand, without slots."""
