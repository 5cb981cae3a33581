"""Words that decide where a sentence ends: abbreviations, and what precedes an answer."""

from __future__ import annotations


def _words(text: str) -> frozenset[str]:
    return frozenset(text.split())


# Followed by what they belong to, whatever that begins with; in lower case, but for those that
# are names of their own.
OPEN = _words(
    """
    mr mrs ms dr prof st mt sen rep gov gen lt col capt cmdr sgt rev hon messrs pres adm maj
    vs cf ca approx eg ie al esp incl resp viz
    hr fr frl dipl ing bzw ggf evtl inkl exkl sog vgl bspw insb mio mrd tsd chr geb gest aufl zzgl
    med kath ev hrsg
    mme mlle mgr env apr
    sr sra srta dra ud uds EE UU aprox dna dl lic admón
    sig dott avv geom arch egr spett dir
    dhr mevr drs bijv mw blz skt profa pex tex feks
    напр тыс млн млрд проф акад доц см ул стр руб им гр гг ред пгт
    вул див стор журн вид укр наук зв акад
    np hab inż mgr ul św tzn tzw ww
    např tj tzv mj atd napr
    bl ex kl osv dvs eks fx
    esim ym
    pl ill
    dk doç yrd TP
    डॉ श्री प्रो ড ডা ഡോ മി പ്രൊ
    """
)
# May end a sentence: so they do where a capital follows.
CLOSING = _words(
    """
    Inc Ltd Corp Co co LLC Jr etc Etc usw ecc enz itd itp vb dll stb пр др am pm AM PM
    """
)
# Belong to a number that follows, and to nothing else; in lower case.
NUMBERED = _words(
    """
    no nos nr n° № fig figs vol vols p pp art abs kap sec ch eq ref jan feb mar apr jun jul aug sep
    sept oct nov dec tab str pág págs núm pag рис кв гл п ст с s br párrf lun
    """
)
MONTHS = _words(
    """
    Januar Jänner Februar März April Mai Juni Juli August September Oktober November Dezember
    """
)
# What begins a sentence after a single letter or an acronym, which most words do not.
STARTERS = _words(
    """
    The A An It Its He She They We I You This That These Those There Here His Her Their Our My Your
    But And Or So Yet If When While Since Because Although However Still Then Thus Also Not No
    Nobody Nothing Who What Where Why How In On At By For From With As To Be Is Are Was Others Some
    Most Many Few All Every Each After Before Now Did Do Does Has Have Had Can Could Will Would
    Should May Might Must Once Let Maybe Perhaps One Two Both Any Another Such Even Only Just Yes
    Der Die Das Ein Eine Er Sie Es Wir Ich Aber Und Doch Im Am Danach Dann Dort
    Le La Les Il Elle Ils Elles Un Une Nous Je Mais Et Or Ce Cela
    El Los Las Ella Ellos Pero Yo Nosotros Esto Eso
    Lo Gli Lei Noi Io Ma Questo
    O Os As Ele Ela Eles Mas Eu Isso
    De Het Een Hij Zij Wij Maar Ik Dat Dit
    Он Она Оно Они Мы Я Вы Но И Это А Так Там
    """
)
# Words before an ordinal in German and its neighbours, which write it with a dot.
BEFORE_ORDINAL = _words(
    """
    am der den dem des das die vom zum im ein einen einem eines dieser diesem diesen jeder jeden
    jedem beim bis ab seit Am Der Den Dem Des Das Die Vom Zum Im Beim Ab Seit
    """
)
# Said before the answer, and no answer.
PREAMBLES = (
    "sure", "sure thing", "certainly", "of course", "absolutely", "definitely", "okay", "ok",
    "ok sure", "okay sure", "alright", "all right", "got it", "understood", "great question",
    "good question", "no problem", "happy to help", "i'd be happy to help",
    "i would be happy to help", "i'd be glad to help", "sure i can help with that",
    "sure i'd be happy to help", "of course i'd be happy to help", "i can help with that",
    "here you go", "my pleasure", "natürlich", "gerne", "gern", "klar", "na klar", "sicher",
    "selbstverständlich", "alles klar", "verstanden", "aber natürlich", "bien sûr",
    "certainement", "d'accord", "avec plaisir", "volontiers", "absolument", "entendu", "claro",
    "claro que sí", "por supuesto", "entendido", "desde luego", "con gusto", "de acuerdo",
    "certo", "certamente", "va bene", "volentieri", "ovviamente", "d'accordo", "com certeza",
    "claro que sim", "é claro", "com prazer", "és clar", "d'acord", "natuurlijk", "zeker",
    "graag", "prima", "конечно", "хорошо", "понял", "поняла", "разумеется", "безусловно",
    "звичайно", "добре", "разбира се", "наравно", "oczywiście", "jasne", "pewnie", "dobrze",
    "jistě", "samozřejmě", "självklart", "absolut", "visst", "givetvis", "selvfølgelig",
    "naturligvis", "toki", "tietenkin", "totta kai", "természetesen", "persze", "desigur",
    "sigur", "elbette", "tabii", "tabii ki", "φυσικά", "βεβαίως", "βέβαια", "tentu",
    "tentu saja", "baik", "hakika", "chắc chắn rồi", "vâng", "好的", "好", "当然", "当然可以",
    "没问题", "當然", "當然可以", "沒問題", "はい", "承知しました", "わかりました",
    "はいわかりました", "はい承知しました", "もちろん", "もちろんです", "네", "네 알겠습니다",
    "알겠습니다", "물론입니다", "물론이죠", "ज़रूर", "बिल्कुल", "अवश्य", "অবশ্যই", "بالتأكيد",
    "بالطبع", "حسنا", "البته", "ضرور", "בוודאי", "בטח", "แน่นอน", "ได้เลย",
)  # fmt: skip
# What begins a line that announces the answer, up to a colon.
ANNOUNCERS = (
    "here is", "here's", "here’s", "here are", "here you go", "below is", "below are",
    "the following is", "the following", "hier ist", "hier sind", "nachfolgend", "hier kommt",
    "voici", "voilà", "ci-dessous", "aquí está", "aquí tienes", "aquí va", "a continuación", "ecco",
    "di seguito", "aqui está", "aqui vai", "aqui segue", "a seguir", "hier is", "hieronder", "вот",
    "ниже", "ось", "ето", "ево", "oto", "poniżej", "zde je", "tady je", "här är", "her er",
    "tässä on", "íme", "iată", "işte", "aşağıda", "ορίστε", "εδώ είναι", "ακολουθεί", "đây là",
    "dưới đây là", "berikut", "以下", "下面", "次の", "다음은", "아래는", "यहाँ", "यहां", "नीचे",
    "এখানে", "இதோ", "إليك", "فيما يلي", "הנה", "להלן", "นี่คือ", "aquí teniu", "heus aquí",
)  # fmt: skip
# Of such a line without a colon: what it announces.
ANNOUNCED = ("sentence", "answer", "response", "statement", "summary", "prediction")
# A word before a colon that says only that the answer follows.
LABELS = (
    "answer", "final answer", "my answer", "response", "sentence", "one sentence", "prediction",
    "assistant", "output", "summary", "a",
    "antwort", "réponse", "respuesta", "risposta", "resposta", "antwoord", "ответ", "відповідь",
    "отговор", "odpowiedź", "odpověď", "svar", "vastaus", "válasz", "răspuns", "cevap", "yanıt",
    "απάντηση", "trả lời", "jawaban", "答案", "回答", "答", "답변", "답", "उत्तर", "الإجابة", "جواب",
    "תשובה", "คำตอบ",
)  # fmt: skip
