#!/usr/bin/env python3
"""Writes Tests/Golden/longbench.json: scores by THUDM/LongBench's own metrics.py, and what its configuration says.

    python3 -m pip install rouge==1.0.1 fuzzywuzzy==0.18.0     # without python-Levenshtein, as LongBench asks for
    git clone https://github.com/THUDM/LongBench /tmp/LongBench
    python3 scripts/vectors/longbench.py /tmp/LongBench Tests/Golden
"""

import sys, types, json, hashlib, warnings

source, target = sys.argv[1:3]
warnings.simplefilter('ignore')
j=types.ModuleType('jieba'); sys.modules['jieba']=j
sys.path.insert(0,source+'/LongBench')
import metrics as m
cases=[]
def add(metric,fn,a,e,classes=None):
    cases.append({'metric':metric,'answer':a,'expected':e,'classes':classes or [],'score':fn(a,e,all_classes=classes)})
qa=[("The cat sat.","a cat sat"),(" an Apple, a day!","the apple day day"),("","nothing"),("the","the"),("nothing shared here","other words"),
("“The” dog—the end","the end dog"),("It's 3.5 km; over-the-top","its 35 km overthetop"),("Émile  Zola\n\nQuestion: who","emile zola"),("ÉMILE ZOLA","émile zola"),
("yes yes no","yes no no"),("a_an the_x","aan thex"),("naïve 5² x\u001cy","naïve 5² x y"),("Theodore and Anne","theodore anne"),("1,000 men","1000 men")]
for a,e in qa: add('f1',m.qa_f1_score,a,e)
ro=[("The cat sat on the mat. It was warm.","A cat was on the mat. The mat was warm."),("a b c d","d c b a"),("one two one two three","two one three one"),
("w1 w2 w6 w7 w8. w1 w3 w8 w9 w5","w1 w2 w3 w4 w5"),("","x y"),("...","x"),("x"," . "),("same text here. again.","same text here. again."),
("Hello.  .World of words.","world of words. hello"),("a b a c a d","a c b d a"),("x y z. y z x. z x y","z y x. x z y"),
("The report finds that spending rose in 2010. Agencies did not track it. GAO recommends action.","GAO found spending rose. It recommends that agencies track spending in the report. Action is needed."),
("r e f e r e n c e w o r d s","w o r d s r e f")]
for a,e in ro: add('rougeL',m.rouge_score,a,e)
cl=["Human","Human being","Location","City","Date of birth","Date"]
for a,e in [("Type: City","City"),("Human being","Human being"),("Human being or City","Human being"),("Date of birth, Date, City","Date of birth"),("nothing","City"),("Location City","Location"),("Human","Human being")]:
    add('classification',m.classification_score,a,e,cl)
cl2=["ab","abc","abcd","b","c"]
for a,e in [("abcd","abcd"),("abc","abc"),("ab c","ab"),("b","abcd")]: add('classification',m.classification_score,a,e,cl2)
for a,e in [("7","7"),("There are 7 of 17, 7","7"),("none","3"),("17","7"),("3.14 and 3","3"),("٧ 7","7")]: add('count',m.count_score,a,e)
for a,e in [("Paragraph 12","Paragraph 12"),("12","Paragraph 12"),("Paragraph 1, Paragraph 12","Paragraph 12"),("","Paragraph 3"),("Paragraph 3 30 3","Paragraph 3")]: add('retrieval',m.retrieval_score,a,e)
long1="        return self.session.query(User).filter(User.name == name).filter(User.age > age).order_by(User.created_at.desc()).limit(limit).offset(offset).all() if name is not None and age is not None else self.default_users(limit, offset)"
long2="        return self.session.query(Account).filter(Account.name == name).order_by(Account.created_at.desc()).limit(limit).offset(start).all() if name is not None else self.default_accounts(limit, start) or self.session.query(Account).all()"
for a,e in [("return x","return x"),("\n\nreturn y + 1\nfoo()","return x + 1"),("```python\n# a comment\n    foo(bar)","    foo(baz)"),("// c\n","int a;"),("","x"),("abcd","bcde"),("tide","diet"),("diet","tide"),
    (long1,long2),(long2,long1),("private String name;","public String getName() {"),("for (int i = 0; i < n; i++) {","for (int j = 0; j < m; ++j) {"),("a"*150+"b"*150,"b"*120+"a"*130),("é = 'ü'","e = 'u'"),("xaxbxc","abcx")]:
    add('code',m.code_sim_score,a,e)
# Texts that Swift's String takes for others: canonical equivalence (NFC, NFD, Kelvin sign, Hangul), the sigma at a word's end, marks after a separator.
nfc,nfd='caf\u00e9 cr\u00e8me','cafe\u0301 cre\u0300me'
for a,e in [(nfc,nfd),(nfd,nfc),(nfd,nfd),("cafe\u0301","cafe"),("ΟΔΟΣ ΣΟΦΟΣ","οδος σοφος"),("ΟΔΟΣ","οδοσ"),("Σ","σ"),("ΑΣ.Β ΑΣ\u0301 Α\u0301Σ ΑΣ'","ας.β ασ\u0301 α\u0301ς ας"),("ΑΣ1 1Σ","ας1 1σ"),("İstanbul","i\u0307stanbul"),
    ("STRASSE Straße","strasse straße"),("\u212a \u212b","k å"),("\uac00","\u1100\u1161"),("the\u0301 cat","the cat"),("a\u0301 an\u0308d the","a\u0301 and"),("x \u0301y","x y"),("q\u2000r\u3000s\u0085t","q r s t"),("ǅ Ǆ","ǆ ǆ"),("one\u200dtwo","onetwo")]:
    add('f1',m.qa_f1_score,a,e)
for a,e in [(nfc+". "+nfd,nfd+". "+nfc),(nfd,nfc),(nfd+" x",nfd+" y"),("a.\u0301b c","a b c"),("a \u0301b","a b"),("\uac00 b","\u1100\u1161 b")]: add('rougeL',m.rouge_score,a,e)
for a,e in [(nfc,nfc),(nfd,nfc),(nfc+nfd,nfd),("cafe\u0301",'cafe'),('cafe','cafe')]: add('classification',m.classification_score,a,e,[nfc,nfd,'cafe','caf\u00e9','\u212a','K'])
for a,e in [("K","\u212a"),("\u212a","\u212a")]: add('classification',m.classification_score,a,e,['K','\u212a'])
for a,e in [("7\u0301 7","7"),("\u0661\u0662","\u0661\u0662"),("1\u03012","12")]: add('count',m.count_score,a,e)
for a,e in [("Paragraph 3","Paragraph x, Paragraph 3"),("4","Paragraph \u03013, xParagraph 4b"),("\u0663","Paragraph \u0663")]: add('retrieval',m.retrieval_score,a,e)
for a,e in [(nfc,nfd),(nfd,nfc),("x = 'e\u0301'","x = '\u00e9'"),("\u0301\n# c\nfoo","foo"),("\r\nfoo","foo"),("`\u0301 x\ny","y"),("#\u0338 x\ny","y"),("/\u0301/ x","x")]: add('code',m.code_sim_score,a,e)
maxlen=json.load(open(source+'/LongBench/config/dataset2maxlen.json')); prompts=json.load(open(source+'/LongBench/config/dataset2prompt.json'))
import re
ev=open(source+'/LongBench/eval.py').read()
d={}
names={'qa_f1_score':'f1','rouge_score':'rougeL','classification_score':'classification','retrieval_score':'retrieval','count_score':'count','code_sim_score':'code'}
for k in prompts:
    f=re.search('"%s": (\\w+),'%re.escape(k),ev).group(1)
    if f in names and k!='lsht': d[k]={'sha256':hashlib.sha256(prompts[k].encode()).hexdigest(),'answerTokens':maxlen[k],'metric':names[f]}
json.dump({'source':'THUDM/LongBench 2e00731f8d0bff23dc4325161044d0ed8af94c1e (MIT): its metrics.py with rouge 1.0.1 and fuzzywuzzy 0.18.0 (difflib of Python %s); digests of its prompts'%sys.version.split()[0],'datasets':d,'scores':cases},open(target+'/longbench.json','w'),indent=1,ensure_ascii=False)
