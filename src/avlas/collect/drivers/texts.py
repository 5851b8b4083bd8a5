"""What drivers and receivers say to people, in English and Swedish, by the ``text_id`` of a Notice.

A table here rather than a catalogue of Django's: the drivers also run where there is no Django.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Mapping


class Text(NamedTuple):
    """One sentence in both languages; ``{names}`` are filled from the Notice's detail."""

    en: str
    sv: str


def say(texts: Mapping[str, Text], text_id: str, detail: Mapping[str, object], language: str = "en") -> str:
    """The sentence in ``language`` ("sv" or anything else for English), its blanks filled.

    It does not name the line that a detail ``line`` gives: whoever shows it knows the file and says both.
    """
    text = texts[text_id]
    return (text.sv if language == "sv" else text.en).format_map(detail)


TEXTS: dict[str, Text] = {
    # a line of text that is no telegram
    "line_not_hex": Text(
        "{character} is no hexadecimal digit",
        "{character} är ingen hexadecimal siffra",
    ),
    "line_odd_digits": Text(
        "{digits} hexadecimal digits; half a byte is missing",
        "{digits} hexadecimala siffror; en halv byte saknas",
    ),
    "line_empty": Text("no telegram", "inget telegram"),
    "line_length": Text(
        "the length byte says {says} bytes, but {follow} follow",
        "längdbyten säger {says} byte, men {follow} följer",
    ),
    "line_crc": Text("wrong link checksum (CRC)", "fel kontrollsumma (CRC)"),
    "line_too_long": Text(
        "longer than {most} bytes, skipped",
        "längre än {most} byte, hoppas över",
    ),
    "line_unknown": Text("not understood", "förstås inte"),
    "line_cut_short": Text(
        "cut short or garbled, no telegram in it",
        "avhuggen eller förvanskad, inget telegram i den",
    ),
    "line_time": Text(
        "{time} is no date and time; the telegram is kept without",
        "{time} är ingen tidpunkt; telegrammet behålls utan",
    ),
    "line_future": Text(
        "{time} is in the future; the telegram is kept without its time",
        "{time} ligger i framtiden; telegrammet behålls utan sin tid",
    ),
    "line_key_ignored": Text(
        "keys beside telegrams are not used; add them under Keys",
        "nycklar bredvid telegram används inte; lägg in dem under Nycklar",
    ),
    "line_noise": Text(
        "{bytes} damaged bytes were skipped on the line",
        "{bytes} skadade byte på ledningen hoppades över",
    ),
    "file_cut_short": Text(
        "the compressed file is damaged or cut short here; what stands before it was read",
        "den komprimerade filen är skadad eller avhuggen här; det som står före lästes",
    ),
    "source_exiting": Text("rtl_wmbus says that it stops", "rtl_wmbus säger att det avslutas"),
    # iM871A
    "receiver_ready": Text("set up, listening for {mode}", "inställd, lyssnar efter {mode}"),
    "receiver_one_mode": Text(
        "firmware {firmware} can't listen for C1 and T1 at once; it listens for C1 only",
        "mottagarens programvara {firmware} kan inte lyssna efter både C1 och T1; den lyssnar bara efter C1",
    ),
    "receiver_no_answer": Text(
        "the receiver does not answer ({request}); is it the kind {model}, and used by no other program?",
        "mottagaren svarar inte ({request}); är den av sorten {model}, och används den inte av något annat "
        "program?",
    ),
    "receiver_wrong_answer": Text(
        "the receiver answered wrongly: {got}; the set-up is tried again",
        "mottagaren svarade fel: {got}; inställningen görs om",
    ),
    "receiver_another": Text(
        "this is {found}, not {wanted}; choose the right kind, or another port",
        "det här är {found}, inte {wanted}; välj rätt sort, eller en annan port",
    ),
    "receiver_no_signal": Text(
        "the receiver is set not to tell signal strength; telegrams are heard all the same",
        "mottagaren är inställd så att den inte anger signalstyrka; telegram hörs ändå",
    ),
    "receiver_cuts": Text(
        "the stick's firmware cuts long telegrams ({digits} digits came); newer firmware heals that",
        "stickans programvara hugger av långa telegram ({digits} siffror kom); nyare programvara botar det",
    ),
    "receiver_answers_again": Text("the receiver answers again", "mottagaren svarar igen"),
    # how a receiver is described
    "spec_none": Text(
        "{spec} describes no receiver. Write it like: {examples}",
        "{spec} beskriver ingen mottagare. Skriv som: {examples}",
    ),
    "spec_driver": Text(
        "{driver} is no kind of receiver known here ({known}). Write it like: {examples}",
        "{driver} är ingen känd sorts mottagare ({known}). Skriv som: {examples}",
    ),
    "spec_stdin": Text(
        "{driver} must be written to as well, so it needs a port. Write it like: {examples}",
        "{driver} måste även skrivas till, så den behöver en port. Skriv som: {examples}",
    ),
    "spec_network": Text(
        "{spec} needs a host and a port: {driver}:{road}://host:port",
        "{spec} behöver en dator och en port: {driver}:{road}://dator:port",
    ),
    "spec_program": Text(
        "{spec}: only {known} can be started here, and the stick's number is letters and digits",
        "{spec}: bara {known} kan startas här, och stickans nummer är bokstäver och siffror",
    ),
    "spec_link_mode": Text(
        "{mode} is no link mode; choose one of {known}",
        "{mode} är inget radioläge; välj något av {known}",
    ),
    # the line itself
    "port_missing": Text(
        "{where} is not there; is the receiver plugged in? It is looked for again and again",
        "{where} finns inte; är mottagaren inkopplad? Den söks om och om igen",
    ),
    "port_forbidden": Text(
        "no permission for {where}; add the program's user to the group that owns it (often dialout)",
        "saknar behörighet till {where}; lägg programmets användare i gruppen som äger den (ofta dialout)",
    ),
    "port_busy": Text(
        "{where} is used by another program; stop that one, or this receiver",
        "{where} används av ett annat program; stoppa det, eller den här mottagaren",
    ),
    "port_failed": Text("{where} can't be opened: {reason}", "{where} kan inte öppnas: {reason}"),
    "host_unknown": Text(
        "there is no computer called {where}; check the name",
        "det finns ingen dator som heter {where}; kontrollera namnet",
    ),
    "host_refused": Text(
        "nothing answers at {where}; is the program there running?",
        "inget svarar på {where}; är programmet där igång?",
    ),
    "host_unreachable": Text("{where} can't be reached: {reason}", "{where} kan inte nås: {reason}"),
    # a program with a software radio
    "program_missing": Text(
        "the program {program} is not installed on this computer; install it, and it is started by itself",
        "programmet {program} är inte installerat på den här datorn; installera det, så startas det av sig "
        "självt",
    ),
    "program_ended": Text(
        "{program} ended ({said}); it is started again",
        "{program} avslutades ({said}); det startas igen",
    ),
    "stick_missing": Text(
        "{program} finds no software radio; is the stick plugged in? It is looked for again and again",
        "{program} hittar ingen mjukvaruradio; är stickan inkopplad? Den söks om och om igen",
    ),
    "stick_busy": Text(
        "the software radio is used by another program (or the kernel's television driver); stop that one",
        "mjukvaruradion används av ett annat program (eller kärnans tv-drivrutin); stoppa det",
    ),
    "stick_forbidden": Text(
        "no permission for the software radio; add a udev rule for it (see the manual, Receivers)",
        "saknar behörighet till mjukvaruradion; lägg till en udev-regel (se handboken, Mottagare)",
    ),
    "file_missing": Text("there is no file {where}", "filen {where} finns inte"),
    "connected": Text("connected to {where}", "ansluten till {where}"),
    "connected_again": Text("connected to {where} again", "ansluten till {where} igen"),
    "lost": Text(
        "the connection to {where} was lost; it is tried again and again",
        "anslutningen till {where} bröts; nya försök görs hela tiden",
    ),
    "finished": Text("{where} is read to its end", "{where} är läst till slutet"),
    "silent": Text(
        "nothing heard for {minutes} minutes; the connection is made anew",
        "inget har hörts på {minutes} minuter; anslutningen görs om",
    ),
    "heard_again": Text("telegrams are heard again", "telegram hörs igen"),
    "clock_differs": Text(
        "the clock of {where} differs by {seconds} seconds; this machine's time is used",
        "klockan hos {where} avviker {seconds} sekunder; den här maskinens tid används",
    ),
    "overflow": Text(
        "{lost} telegrams were lost: they came faster than the database took them",
        "{lost} telegram förlorades: de kom fortare än databasen tog emot dem",
    ),
}
