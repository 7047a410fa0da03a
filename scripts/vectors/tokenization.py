#!/usr/bin/env python3
"""Ids of texts by the tokenizers and sentencepiece libraries, and chat turns by transformers.

    python3 -m pip install tokenizers==0.23.3 transformers==5.24.0 sentencepiece==0.2.3 protobuf gguf jinja2
    python3 scripts/vectors/tokenization.py golden Tests/Golden
    python3 scripts/vectors/tokenization.py compare .build/release/tca-lab MODEL.gguf [STRINGS [SEED]]

`golden` writes tokenization.json and chat-templates.json: small vocabularies, trained here, and their ids.
`compare` builds the library's tokenizer from a model file's own vocabulary and holds `tca-lab tokenize` against it on
random strings, all in one text with a special token between them. Characters that this Python's Unicode does not know
are left out, and it composes text before the library does: libraries and program follow different versions of Unicode.
"""

import io, json, os, random, subprocess, sys, tempfile, unicodedata

sys.path.pop(0)  # This folder: no module of it is meant.
import sentencepiece, tokenizers, transformers
from sentencepiece import sentencepiece_model_pb2
from tokenizers import AddedToken, Regex, Tokenizer, models, normalizers, pre_tokenizers, trainers

WORD = r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}%s| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"
COMPOSED = ["qwen2", "deepseek-r1-qwen"]
KINDS = ["smollm", "gpt-2", "llama-bpe", "qwen2", "deepseek-r1-qwen"]


def pre_tokenizer(kind):
    """As the published tokenizer.json of the models with that `tokenizer.ggml.pre` has it."""
    if kind == "gpt-2":
        return pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=True)
    if kind == "smollm":
        return pre_tokenizers.Sequence([
            pre_tokenizers.Digits(individual_digits=True),
            pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=True)])
    pattern = WORD % ("{1,3}" if kind == "llama-bpe" else "")
    return pre_tokenizers.Sequence([
        pre_tokenizers.Split(Regex(pattern), "isolated"),
        pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)])


def byte_level(kind, tokens, merges, specials):
    model = models.BPE(
        vocab={token: id for id, token in enumerate(tokens)}, merges=[tuple(merge.split(" ")) for merge in merges],
        ignore_merges=kind == "llama-bpe")
    tokenizer = Tokenizer(model)
    tokenizer.pre_tokenizer = pre_tokenizer(kind)
    if kind in COMPOSED:
        tokenizer.normalizer = normalizers.NFC()
    tokenizer.add_tokens([AddedToken(text, normalized=False) for text in specials])
    return lambda text: tokenizer.encode(text, add_special_tokens=False).ids


def piece_model(tokens, scores, types, unknown, adds_space_prefix, has_bytes):
    proto = sentencepiece_model_pb2.ModelProto()
    for token, score, kind in zip(tokens, scores, types):
        # GGUF files of Gemma have runs of spaces as such.
        proto.pieces.add(piece=token.replace(" ", "\u2581") if kind == 4 else token, score=score, type=kind)
    proto.trainer_spec.model_type = sentencepiece_model_pb2.TrainerSpec.BPE
    proto.trainer_spec.byte_fallback = has_bytes
    proto.trainer_spec.unk_id = unknown
    proto.trainer_spec.unk_piece = tokens[unknown]
    proto.normalizer_spec.name = "identity"
    proto.normalizer_spec.add_dummy_prefix = adds_space_prefix
    proto.normalizer_spec.remove_extra_whitespaces = False
    return sentencepiece.SentencePieceProcessor(model_proto=proto.SerializeToString())


# Texts

HAND = [
    "", " ", "  ", "   ", "\n", "\n\n", "\n\n\n", "\r\n", "\r\n\r\n", "\t", "\t\t", " \n", "\n ", " \n \n  x", "a \r\n\t b", "a\n\n\n  b", "x   \n",
    "Hello, world!", "Hello world", " leading", "trailing ", "two  spaces   three", "I've it's we're they'll I'd I'm can't",
    "I'VE IT'S WE'RE THEY'LL I'D I'M CAN'T", "I'Ve 'S 'Tis ''s 'x' '", "it\u2019s \u2018q\u2019", "'\u017fx K'\u017f", "'sS'tT'mM'dD'llLL'veVE'reRE",
    "In 1815 there were 42 of 1234567890 and 3.14159, 1,000,000; x1y22z333", "\u0663\u0664\u0665 \u00bd \u2167 \u00b2 x\u00b2 \u2460\u2461 \u4e00",
    "(\"text\") [a] {b} <c> a/b a-b a_b a.b a:b @c #d $e %f ^g &h *i +j =k ~l `m |n \\o", "...!!!???---", "wait...what?!\n\nno.", "end.\r\n\"Quote\"\n",
    "Zo\u00eb caf\u00e9 na\u00efve \u2014 \u201cquotes\u201d \u2026", "e\u0301 e\u0301\u0323 a\u030a \u212b \u1e9b\u0323 q\u0307\u0323", "\u0301 a\u0301b", "\u1100\u1161\u11a8 \uac01 \ud55c\uad6d\uc5b4",
    "\u65e5\u672c\u8a9e\u306e\u30c6\u30ad\u30b9\u30c8\u3002 \u4e2d\u6587\uff0c\u6587\u672c\uff01", "\u0627\u0644\u0639\u0631\u0628\u064a\u0629 \u05e2\u05d1\u05e8\u05d9\u05ea \u0e44\u0e17\u0e22", "\u0939\u093f\u0928\u094d\u0926\u0940 \u0ba4\u0bae\u0bbf\u0bb4\u0bcd",
    "\u039f\u0394\u039f\u03a3 \u0416\u0416\u0416 \u00df \u0130\u0131", "\U0001f469\u200d\U0001f469\u200d\U0001f467\u200d\U0001f466 \U0001f1e9\U0001f1ea \U0001f44d\U0001f3fd ok", "zero\u200bwidth\ufeffbom\u00adsoft\u2060joiner",
    "\u00a0nb \u2003em\u3000ideographic\u2028line\u2029para\u0085nel\u000bvt\u000cff", "\x00nul\x00\x01\x02\x1f\x7f", "def f(x):\n    return x**2  # comment\n\n\tif a:\n\t\tb()\n",
    "a" * 70, "ab" * 100, "the " * 30, "=" * 60, " " * 40 + "x", "\n" * 20 + "x", "1" * 25, "\u3042" * 30, "supercalifragilisticexpialidocious" * 4,
    "<|special|>", "a<|special|>b", " <|special|> ", "<|special|><|special|>", "<|spec", "<|special|>\n\n'S", "<|special|>\u0338 x", "x<turn>y</turn>",
    "cat cats Cat concatenate", " dog dogs 12 dogs", "https://example.org/a?b=c&d=%20#e", "user@example.org; C:\\dir\\file.txt", "\u2581already\u2581there \u2581",
]
PARTS = [
    "a", "b", "e", "t", "the", "The", "in", "ing", "'s", "'LL", "'", "\"", " ", " ", " ", "  ", "\n", "\n\n", "\r\n", "\r", "\t", "1", "23", "456", ".", ",", "...", "-", "(", ")", "_",
    "\u00e9", "\u0301", "\u0323", "\u00df", "\u017f", "\u00a0", "\u2003", "\u3000", "\u2028", "\u0085", "\u65e5", "\u672c", "\ud55c", "\u0416", "\u0663", "\u00bd", "\u2167", "\u0e17", "\u093f", "\u094d", "\U0001f600", "\u200d", "\ufe0f",
    "\x00", "\x1f", "cat", " dog", "\u2581", "\u2018", "\u20ac", "\u1100", "\u1161", "\u11a8",
]


def random_text(generator, length=24):
    text = ""
    while len(text) < length:
        if generator.random() < 0.7:
            text += generator.choice(PARTS)
        else:
            scalar = chr(generator.choice([generator.randrange(0x250), generator.randrange(0x3400), generator.randrange(0x110000)]))
            if unicodedata.category(scalar) not in ("Cs", "Cn"):
                text += scalar
    return text


def corpora():
    for name in ["emma.txt", "sqlite3-header.txt"]:
        with open("Sources/ProgramFiles/corpora/" + name, encoding="utf-8") as file:
            yield file.read()[:60000]


def training_texts():
    yield from corpora()
    generator = random.Random(1)
    yield "".join(random_text(generator) for _ in range(3000))
    yield " ".join(HAND * 20)


# Golden files

def texts_of(seed):
    generator = random.Random(seed)
    return HAND + [random_text(generator) for _ in range(30)]


def golden_byte_level():
    """One vocabulary whose merges reach across words of every kind, so that a word cut elsewhere shows."""
    trained = Tokenizer(models.BPE())
    trained.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)
    trainer = trainers.BpeTrainer(
        vocab_size=256 + 500, initial_alphabet=pre_tokenizers.ByteLevel.alphabet(), max_token_length=8, show_progress=False)
    trained.train_from_iterator((line for text in training_texts() for line in chunks(text)), trainer)
    model = json.loads(trained.to_str())["model"]
    merges = [merge if isinstance(merge, str) else " ".join(merge) for merge in model["merges"]]
    tokens = sorted(model["vocab"], key=model["vocab"].get)
    # Words that no merge makes: llama-bpe takes them whole.
    whole = [word for word in ["\u0120cat", "\u0120dogs", "12", "\u0120concatenate", "\u010a\u010a\u010a"] if word not in tokens]
    specials = ["<|special|>", "<turn>", "</turn>"]
    tokens += whole + specials
    cases = []
    for seed, kind in enumerate(KINDS):
        encode = byte_level(kind, tokens, merges, specials)
        cases += [{"pre": kind, "text": text, "ids": encode(text)} for text in texts_of(seed)]
    return {"tokens": tokens, "merges": merges, "specials": len(specials), "cases": cases}


def chunks(text, size=400):
    return (text[start:start + size] for start in range(0, len(text), size))


def golden_pieces(seed, adds_space_prefix, by_words, has_bytes, specials):
    written = io.BytesIO()
    sentencepiece.SentencePieceTrainer.train(
        sentence_iterator=(line for text in corpora() for line in text.split("\n") if line.strip()),
        model_writer=written, model_type="bpe", vocab_size=700 if has_bytes else 450, byte_fallback=has_bytes,
        character_coverage=0.9999, normalization_rule_name="identity", add_dummy_prefix=adds_space_prefix,
        remove_extra_whitespaces=False, split_by_whitespace=by_words, user_defined_symbols=specials,
        max_sentence_length=100000, num_threads=1, minloglevel=2)
    proto = sentencepiece_model_pb2.ModelProto.FromString(written.getvalue())
    tokens = [piece.piece for piece in proto.pieces]
    scores = [piece.score for piece in proto.pieces]
    types = [piece.type for piece in proto.pieces]
    model = piece_model(tokens, scores, types, tokens.index("<unk>"), adds_space_prefix, has_bytes)
    assert model.encode("The cat.") == sentencepiece.SentencePieceProcessor(model_proto=written.getvalue()).encode("The cat.")
    # Control tokens written in a text are matched here and not there; a prefix stands before each stretch here and
    # before the text there.
    texts = [text for text in texts_of(seed) if not (adds_space_prefix and any(special in text for special in specials))]
    return {
        "tokens": tokens, "scores": scores, "types": types, "unknown": tokens.index("<unk>"), "addsSpacePrefix": adds_space_prefix,
        "cases": [{"text": text, "ids": model.encode(text), "decoded": model.decode(model.encode(text))} for text in texts],
    }


TEMPLATES = {
    # Made up; only the marks and the ways of putting them together are those of published templates.
    "chatml": "{% for m in messages %}{{ '<|im_start|>' + m['role'] + '\\n' + m['content'] + '<|im_end|>' + '\\n' }}{% endfor %}{% if add_generation_prompt %}{{ '<|im_start|>assistant\\n' }}{% endif %}",
    "chatml, default system prompt": "{%- if tools %}\n    {{- '<|im_start|>system\\n' }}\n    {%- if messages[0].role == 'system' %}\n        {{- messages[0].content }}\n    {%- else %}\n        {{- 'You are a test.' }}\n    {%- endif %}\n    {{- \"\\n\\nTools: \" }}\n    {%- for tool in tools %}\n        {{- tool | tojson }}\n    {%- endfor %}\n    {{- \"<|im_end|>\\n\" }}\n{%- else %}\n    {%- if messages[0].role == 'system' %}\n        {{- '<|im_start|>system\\n' + messages[0].content + '<|im_end|>\\n' }}\n    {%- else %}\n        {{- '<|im_start|>system\\nYou are a test.<|im_end|>\\n' }}\n    {%- endif %}\n{%- endif %}\n{%- for message in messages %}\n    {%- if message.role == 'user' or message.role == 'system' and not loop.first %}\n        {{- '<|im_start|>' + message.role + '\\n' + message.content + '<|im_end|>' + '\\n' }}\n    {%- elif message.role == 'assistant' %}\n        {{- '<|im_start|>' + message.role + '\\n' + message.content + '<|im_end|>\\n' }}\n    {%- endif %}\n{%- endfor %}\n{%- if add_generation_prompt %}\n    {{- '<|im_start|>assistant\\n' }}\n{%- endif %}\n",
    "chatml, thinking": "{%- if tools %}\n    {{- '<|im_start|>system\\n' }}\n    {%- if messages[0].role == 'system' %}\n        {{- messages[0].content + '\\n\\n' }}\n    {%- endif %}\n    {{- \"# Tools<|im_end|>\\n\" }}\n{%- elif messages[0].role == 'system' %}\n    {{- '<|im_start|>system\\n' + messages[0].content + '<|im_end|>\\n' }}\n{%- endif %}\n{%- set ns = namespace(index=messages|length - 1) %}\n{%- for message in messages %}\n    {%- set content = message.content %}\n    {%- if message.role == 'assistant' and '</think>' in content %}\n        {%- set content = content.split('</think>')[-1].lstrip('\\n') %}\n    {%- endif %}\n    {{- '<|im_start|>' + message.role + '\\n' + content + '<|im_end|>' + '\\n' }}\n{%- endfor %}\n{%- if add_generation_prompt %}\n    {{- '<|im_start|>assistant\\n' }}\n    {%- if enable_thinking is defined and enable_thinking is false %}\n        {{- '<think>\\n\\n</think>\\n\\n' }}\n    {%- endif %}\n{%- endif %}",
    "chatml, always thinking": "{%- for message in messages %}\n    {{- '<|im_start|>' + message.role + '\\n' + message.content + '<|im_end|>\\n' }}\n{%- endfor %}\n{%- if add_generation_prompt %}\n    {{- '<|im_start|>assistant\\n<think>\\n' }}\n{%- endif %}",
    "chatml, text between tags": "{% for message in messages %}{% if loop.first and message['role'] != 'system' %}<|im_start|>system\nYou are a test.<|im_end|>\n{% endif %}<|im_start|>{{ message['role'] }}\n{{ message['content'] }}<|im_end|>\n{% endfor %}{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}",
    "chatml, bos": "{{ bos_token }}{# A comment: '<|im_sep|>' #}{% for m in messages %}{{ '<|im_start|>' + m.role + '\n' + m.content + '<|im_end|>\n' }}{% endfor %}{% if add_generation_prompt %}{{ '<|im_start|>assistant\n' }}{% endif %}",
    "llama-3": "{% set loop_messages = messages %}{% for message in loop_messages %}{% set content = '<|start_header_id|>' + message['role'] + '<|end_header_id|>\n\n'+ message['content'] | trim + '<|eot_id|>' %}{% if loop.index0 == 0 %}{% set content = bos_token + content %}{% endif %}{{ content }}{% endfor %}{% if add_generation_prompt %}{{ '<|start_header_id|>assistant<|end_header_id|>\n\n' }}{% endif %}",
    "llama-3, always answering": "{% for message in messages %}{% set content = '<|start_header_id|>' + message['role'] + '<|end_header_id|>\n\n'+ message['content'] | trim + '<|eot_id|>' %}{% if loop.index0 == 0 %}{% set content = bos_token + content %}{% endif %}{{ content }}{% endfor %}{{ '<|start_header_id|>assistant<|end_header_id|>\n\n' }}",
    "llama-3, dated": "{{- bos_token }}\n{%- if not date_string is defined %}\n    {%- set date_string = \"26 Jul 2024\" %}\n{%- endif %}\n{%- if not tools is defined %}\n    {%- set tools = none %}\n{%- endif %}\n\n{#- The system message #}\n{%- if messages[0]['role'] == 'system' %}\n    {%- set system_message = messages[0]['content']|trim %}\n    {%- set messages = messages[1:] %}\n{%- else %}\n    {%- set system_message = \"\" %}\n{%- endif %}\n\n{{- \"<|start_header_id|>system<|end_header_id|>\\n\\n\" }}\n{%- if tools is not none %}\n    {{- \"Environment: ipython\\n\" }}\n{%- endif %}\n{{- \"Cutting Knowledge Date: December 2023\\n\" }}\n{{- \"Today Date: \" + date_string + \"\\n\\n\" }}\n{{- system_message }}\n{{- \"<|eot_id|>\" }}\n{%- for message in messages %}\n    {{- '<|start_header_id|>' + message['role'] + '<|end_header_id|>\\n\\n'+ message['content'] | trim + '<|eot_id|>' }}\n{%- endfor %}\n{%- if add_generation_prompt %}\n    {{- '<|start_header_id|>assistant<|end_header_id|>\\n\\n' }}\n{%- endif %}\n",
    "gemma": "{{ bos_token }}{% if messages[0]['role'] == 'system' %}{{ raise_exception('No system role') }}{% endif %}{% for message in messages %}{% if (message['role'] == 'assistant') %}{% set role = 'model' %}{% else %}{% set role = message['role'] %}{% endif %}{{ '<start_of_turn>' + role + '\n' + message['content'] | trim + '<end_of_turn>\n' }}{% endfor %}{% if add_generation_prompt %}{{'<start_of_turn>model\n'}}{% endif %}",
    "gemma, parts": "{{ bos_token }}\n{%- if messages[0]['role'] == 'system' -%}\n    {%- set prefix = messages[0]['content'] + '\\n\\n' -%}\n    {%- set loop_messages = messages[1:] -%}\n{%- else -%}\n    {%- set prefix = \"\" -%}\n    {%- set loop_messages = messages -%}\n{%- endif -%}\n{%- for message in loop_messages -%}\n    {%- set role = \"model\" if message['role'] == 'assistant' else message['role'] -%}\n    {{ '<start_of_turn>' + role + '\\n' + (prefix if loop.first else \"\") }}\n    {%- if message['content'] is string -%}\n        {{ message['content'] | trim }}\n    {%- else -%}\n        {%- for item in message['content'] -%}\n            {{ '<start_of_image>' if item['type'] == 'image' else item['text'] | trim }}\n        {%- endfor -%}\n    {%- endif -%}\n    {{ '<end_of_turn>\\n' }}\n{%- endfor -%}\n{%- if add_generation_prompt -%}\n    {{'<start_of_turn>model\\n'}}\n{%- endif -%}\n",
    "mistral": "{{ bos_token }}{% for message in messages %}{% if message['role'] == 'user' %}{{ '[INST] ' + message['content'] + ' [/INST]' }}{% elif message['role'] == 'assistant' %}{{ message['content'] + eos_token + ' ' }}{% endif %}{% endfor %}",
    "mistral, space before": "{%- if messages[0]['role'] == 'system' %}\n    {%- set system_message = messages[0]['content'] %}\n    {%- set loop_messages = messages[1:] %}\n{%- else %}\n    {%- set loop_messages = messages %}\n{%- endif %}\n\n{{- bos_token }}\n{%- for message in loop_messages %}\n    {%- if message['role'] == 'user' %}\n        {%- if loop.first and system_message is defined %}\n            {{- ' [INST] ' + system_message + '\\n\\n' + message['content'] + ' [/INST]' }}\n        {%- else %}\n            {{- ' [INST] ' + message['content'] + ' [/INST]' }}\n        {%- endif %}\n    {%- else %}\n        {{- ' ' + message['content']|trim + eos_token }}\n    {%- endif %}\n{%- endfor %}\n",
    "mistral, tools": "{{- bos_token }}\n{%- for message in messages %}\n    {%- if message[\"role\"] == \"user\" %}\n        {%- if tools is defined and tools is not none and loop.last %}\n            {{- \"[AVAILABLE_TOOLS] [\" }}\n            {{- '{\"type\": \"function\"}' }}\n            {{- \"][/AVAILABLE_TOOLS]\" }}\n        {%- endif %}\n        {{- \"[INST] \" + message[\"content\"] + \"[/INST]\" }}\n    {%- elif message[\"role\"] == \"assistant\" %}\n        {{- \" \" + message[\"content\"]|trim + eos_token }}\n    {%- endif %}\n{%- endfor %}\n",
    "mistral, no spaces": "{{- bos_token }}{%- for message in messages %}{%- if message[\"role\"] == \"user\" %}{{- \"[INST]\" + message[\"content\"] + \"[/INST]\" }}{%- endif %}{%- endfor %}",
    "mistral, trimmed": "{% for message in messages %}{% if message['role'] == 'user' %}{{ bos_token + '[INST] ' + message['content'].strip() + ' [/INST]' }}{% else %}{{ ' ' + message['content'].strip() + ' ' + eos_token }}{% endif %}{% endfor %}",
    "deepseek": "{% if not add_generation_prompt is defined %}{% set add_generation_prompt = false %}{% endif %}{% set ns = namespace(is_tool=false, system_prompt='') %}{%- for message in messages %}{%- if message['role'] == 'system' %}{% set ns.system_prompt = message['content'] %}{%- endif %}{%- endfor %}{{bos_token}}{{ns.system_prompt}}{%- for message in messages %}{%- if message['role'] == 'user' %}{%- set ns.is_tool = false -%}{{'<\uff5cUser\uff5c>' + message['content']}}{%- endif %}{%- if message['role'] == 'assistant' %}{{'<\uff5cAssistant\uff5c>' + message['content'] + '<\uff5cend\u2581of\u2581sentence\uff5c>'}}{%- endif %}{%- endfor -%}{% if add_generation_prompt and not ns.is_tool %}{{'<\uff5cAssistant\uff5c><think>\\n'}}{% endif %}",
}
TURNS = ["Why is the sky blue?", "  spaces around \n", "", "a\u0085\u001f"]


def render(template, text):
    tokenizer = transformers.PreTrainedTokenizerFast(
        tokenizer_object=Tokenizer(models.BPE()), bos_token="<s>", eos_token="</s>")
    return tokenizer.apply_chat_template(
        [{"role": "user", "content": text}], chat_template=template, tokenize=False, add_generation_prompt=True)


def golden(folder):
    versions = {
        "tokenizers": tokenizers.__version__, "sentencepiece": sentencepiece.__version__,
        "transformers": transformers.__version__, "unicode of Python": unicodedata.unidata_version}

    def write(name, value):
        with open(os.path.join(folder, name), "w", encoding="utf-8") as file:
            json.dump({"madeWith": versions, **value}, file, ensure_ascii=True, separators=(",", ":"))
            file.write("\n")

    write("tokenization.json", {
        "byteLevel": golden_byte_level(),
        "sentencePiece": [
            golden_pieces(10, True, True, True, ["<turn>", "</turn>"]),
            golden_pieces(11, False, False, True, ["<turn>", "</turn>", "\n", "\n\n", "\u2581\u2581", "\u2581\u2581\u2581"]),
            golden_pieces(12, True, True, False, []),
        ]})
    write("chat-templates.json", {
        "cases": [
            {"name": name, "template": template, "user": turn, "text": render(template, turn)}
            for name, template in TEMPLATES.items() for turn in TURNS]})


# Comparison

def field(reader, key):
    found = reader.fields.get("tokenizer.ggml." + key)
    return None if found is None else found.contents()


def compare(lab, path, count, seed):
    import gguf
    reader = gguf.GGUFReader(path)
    tokens, types = field(reader, "tokens"), field(reader, "token_type")
    eos = field(reader, "eos_token_id")
    specials = [token for token, kind in zip(tokens, types) if kind in (3, 4)]
    if field(reader, "model") == "llama":
        prefix = field(reader, "add_space_prefix")
        model = piece_model(
            tokens, field(reader, "scores"), types, field(reader, "unknown_token_id") or 0, prefix is None or prefix, 6 in types)
        encode = model.encode
        specials = [token for token, kind in zip(tokens, types) if kind == 3]
    else:
        kind = field(reader, "pre")
        library = byte_level(kind, tokens, field(reader, "merges"), specials)
        # The library composes by an older Unicode than Python.
        encode = (lambda text: library(unicodedata.normalize("NFC", text))) if kind in COMPOSED else library
        specials = [tokens[eos]]
    generator = random.Random(seed)
    texts = [text for text in HAND if text] + [random_text(generator, generator.choice([5, 24, 80, 300])) for _ in range(count)]
    texts = [text for text in texts if not any(special in text for special in specials if special.strip())]
    with tempfile.NamedTemporaryFile("w", encoding="utf-8", newline="", suffix=".txt") as file:
        file.write(tokens[eos] + tokens[eos].join(texts))
        file.flush()
        out = subprocess.run([lab, "tokenize", "--model", path, "--text-file", file.name, "--json"], check=True, capture_output=True)
    ids = json.loads(out.stdout)["ids"]
    ids = ids[ids.index(eos) + 1:]
    wrong = 0
    for text in texts:
        end = ids.index(eos) if eos in ids else len(ids)
        found, ids = ids[:end], ids[end + 1:]
        expected = encode(text)
        if found != expected:
            wrong += 1
            if wrong <= 10:
                print(f"{text!r}\n  library {expected}\n  program {found}")
    print(f"{len(texts)} texts, {sum(map(len, texts))} characters: {wrong} with other ids")
    sys.exit(wrong > 0)


if __name__ == "__main__":
    if len(sys.argv) == 3 and sys.argv[1] == "golden":
        golden(sys.argv[2])
    elif len(sys.argv) in (4, 5, 6) and sys.argv[1] == "compare":
        numbers = [int(word) for word in sys.argv[4:]]
        compare(sys.argv[2], sys.argv[3], *(numbers + [2000, 0][len(numbers):]))
    else:
        sys.exit(__doc__)
