"""The fixed texts of surveys, by language: what is said where the survey has no text of its own.

Questions of kind nps and csat, the ends of their scales, what asks for the reason, and the words of the frame.
"""

from collections.abc import Iterable

RIGHT_TO_LEFT = frozenset({"ar"})
NAMES = (
    "nps_question", "nps_low", "nps_high", "csat_question", "csat_low", "csat_high", "reason", "text", "send", "close",
    "thanks",
)  # fmt: skip
TEXTS: dict[str, dict[str, str]] = {
    language: dict(zip(NAMES, texts, strict=True))
    for language, texts in {
        "en": (
            "How likely are you to recommend us to a friend or colleague?",
            "Not likely at all",
            "Extremely likely",
            "How satisfied are you?",
            "Very dissatisfied",
            "Very satisfied",
            "What is the main reason for your score?",
            "Your answer",
            "Send",
            "Close",
            "Thank you!",
        ),
        "de": (
            "Wie wahrscheinlich ist es, dass Sie uns Freunden oder Kollegen empfehlen?",
            "Sehr unwahrscheinlich",
            "Sehr wahrscheinlich",
            "Wie zufrieden sind Sie?",
            "Sehr unzufrieden",
            "Sehr zufrieden",
            "Was ist der wichtigste Grund für Ihre Bewertung?",
            "Ihre Antwort",
            "Senden",
            "Schließen",
            "Vielen Dank!",
        ),
        "fr": (
            "Quelle est la probabilité que vous nous recommandiez à un ami ou à un collègue ?",
            "Pas du tout probable",
            "Très probable",
            "Dans quelle mesure êtes-vous satisfait ?",
            "Très insatisfait",
            "Très satisfait",
            "Quelle est la raison principale de votre note ?",
            "Votre réponse",
            "Envoyer",
            "Fermer",
            "Merci !",
        ),
        "es": (
            "¿Qué probabilidad hay de que nos recomiende a un amigo o colega?",
            "Nada probable",
            "Muy probable",
            "¿Qué tan satisfecho está?",
            "Muy insatisfecho",
            "Muy satisfecho",
            "¿Cuál es el motivo principal de su puntuación?",
            "Su respuesta",
            "Enviar",
            "Cerrar",
            "¡Gracias!",
        ),
        "pt": (
            "Qual é a probabilidade de nos recomendar a um amigo ou colega?",
            "Nada provável",
            "Muito provável",
            "Qual é o seu grau de satisfação?",
            "Muito insatisfeito",
            "Muito satisfeito",
            "Qual é o principal motivo da sua nota?",
            "A sua resposta",
            "Enviar",
            "Fechar",
            "Obrigado!",
        ),
        "it": (
            "Con quale probabilità ci consiglierebbe a un amico o a un collega?",
            "Per niente probabile",
            "Molto probabile",
            "Quanto è soddisfatto?",
            "Molto insoddisfatto",
            "Molto soddisfatto",
            "Qual è il motivo principale del suo voto?",
            "La sua risposta",
            "Invia",
            "Chiudi",
            "Grazie!",
        ),
        "nl": (
            "Hoe waarschijnlijk is het dat u ons aanbeveelt aan een vriend of collega?",
            "Zeer onwaarschijnlijk",
            "Zeer waarschijnlijk",
            "Hoe tevreden bent u?",
            "Zeer ontevreden",
            "Zeer tevreden",
            "Wat is de belangrijkste reden voor uw score?",
            "Uw antwoord",
            "Versturen",
            "Sluiten",
            "Bedankt!",
        ),
        "pl": (
            "Jak bardzo prawdopodobne jest, że polecisz nas znajomym lub współpracownikom?",
            "Bardzo mało prawdopodobne",
            "Bardzo prawdopodobne",
            "Jak oceniasz swoje zadowolenie?",
            "Bardzo niezadowolony",
            "Bardzo zadowolony",
            "Jaki jest główny powód Twojej oceny?",
            "Twoja odpowiedź",
            "Wyślij",
            "Zamknij",
            "Dziękujemy!",
        ),
        "ja": (
            "当サービスを友人や同僚にすすめる可能性はどのくらいありますか？",
            "まったくすすめない",
            "ぜひすすめたい",
            "どのくらい満足していますか？",
            "とても不満",
            "とても満足",
            "その点数の一番の理由を教えてください。",
            "ご回答",
            "送信",
            "閉じる",
            "ありがとうございます！",
        ),
        "zh": (
            "您有多大可能向朋友或同事推荐我们？",
            "完全不可能",
            "非常可能",
            "您的满意程度如何？",
            "非常不满意",
            "非常满意",
            "您打这个分数的主要原因是什么？",
            "您的回答",
            "发送",
            "关闭",
            "谢谢！",
        ),
        "ar": (
            "ما مدى احتمال أن توصي بنا صديقًا أو زميلًا؟",
            "غير محتمل إطلاقًا",
            "محتمل جدًا",
            "ما مدى رضاك؟",
            "غير راضٍ إطلاقًا",
            "راضٍ جدًا",
            "ما السبب الرئيسي لتقييمك؟",
            "إجابتك",
            "إرسال",
            "إغلاق",
            "شكرًا لك!",
        ),
    }.items()
}
LANGUAGES = tuple(TEXTS)


def language(wanted: Iterable[str], known: Iterable[str] = LANGUAGES) -> str:
    """The first of ``wanted`` (``de-CH``, ``pt_BR``) that is known, by its main part; else English."""
    allowed = set(known)
    for one in wanted:
        main = one.strip().lower().replace("_", "-").partition("-")[0]
        if main in allowed:
            return main
    return "en"
