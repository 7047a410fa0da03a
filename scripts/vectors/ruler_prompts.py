#!/usr/bin/env python3
"""Writes Tests/Golden/ruler-prompts.json: prompts as NVIDIA/RULER's own generators write them, what is random masked.

    python3 -m pip install numpy scipy pyyaml
    git clone https://github.com/NVIDIA/RULER /tmp/RULER
    python3 scripts/vectors/ruler_prompts.py /tmp/RULER Tests/Golden

Only the packages that give words, sentences and tokens are stood in for, and the essays (the checkout gets a file of made-up
ones). Masked: keys, numbers, identifiers, names, listed words; lines of noise are left out, equal lines of needles stand once,
words that are counted stand as their counts.
"""

import sys, types, re, json, os, yaml, random

source, target = sys.argv[1:3]
root = source + '/scripts/data'
sys.path.insert(0,root+'/synthetic')
def mod(name, **kw):
    m=types.ModuleType(name); m.__dict__.update(kw); sys.modules[name]=m; return m
rw=types.SimpleNamespace(_get_words_from_text_file=lambda f: [f[0]+''.join(chr(97+(i//26**k)%26) for k in range(3)) for i in range(300)])
mod('wonderwords', random_word=rw)
mod('tqdm', tqdm=lambda x,**k:x)
mod('nltk'); mod('nltk.tokenize', sent_tokenize=lambda t: [s if s.endswith('.') else s+'.' for s in t.split('. ')])
mod('manifest_utils', write_manifest=None)
class T:
    def text_to_tokens(self,t): return re.findall(r'\w+|[^\w\s]',t)
mod('tokenizer', select_tokenizer=lambda *a: T())
os.makedirs(root+'/synthetic/json',exist_ok=True)
json.dump({'text':' '.join('This is sentence number %d of it.'%i for i in range(4000))},open(root+'/synthetic/json/PaulGrahamEssays.json','w'))
json.dump({str(i):'rand%d'%i for i in range(20000)},open(root+'/synthetic/json/english_words.json','w'))
from constants import TASKS
cfg=yaml.safe_load(open(source+'/scripts/synthetic.yaml'))
def mask(t):
    t=re.sub(r'[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}','<id>',t)
    t=re.sub(r'\b\d{7}\b','<number>',t)
    return t
out={}
for kind,c in cfg.items():
    if c['task']=='qa': continue
    base=TASKS[c['task']]
    for length in ([2048] if kind!='cwe' else [2048,4096]):
        argv=['x','--save_dir','/tmp','--save_name','x','--tokenizer_path','x','--max_seq_length',str(length),'--tokens_to_generate',str(base['tokens_to_generate']),'--num_samples','1','--template',base['template']+base['answer_prefix']]
        for k,v in c['args'].items(): argv+=['--'+k,str(v)]
        sys.argv=argv
        g={'__name__':'gen','__file__':root+'/synthetic/'+c['task']+'.py'}
        exec(open(g['__file__']).read(),g)
        if c['task']=='niah':
            js=g['generate_samples'](1,length,'/tmp')
        elif c['task']=='variable_tracking':
            icl=g['sys_vartrack_w_noise_random'](num_samples=1,max_seq_length=500,incremental=5,num_chains=1,num_hops=4)[0]
            js=g['sys_vartrack_w_noise_random'](num_samples=1,max_seq_length=length,num_chains=1,num_hops=4,icl_example=icl,final_output=True)
        elif c['task']=='common_words_extraction':
            t,a=g['generate_input_output'](60); js=[{'input':t,'answer_prefix':'','outputs':a}]
        else:
            t,a,n=g['generate_input_output'](10**6,num_words=300,vocab_size=40); js=[{'input':t,'answer_prefix':'','outputs':a}]
        t=js[0]['input']+js[0]['answer_prefix']
        if c['task']=='niah':
            for q in re.findall(r'magic \w+ for (\S+?) is:',t): t=t.replace(q,'<key>')
            t=mask(t)
            if c['args']['type_haystack']=='essay':
                needles=re.findall(r'One of the special magic \w+ for <\w+> is: <\w+>\.',t)
                head,_,tail=t.partition('\n')
                tail=tail[tail.rindex('\nWhat'):]
                t=head+'\n'+'\n'.join(needles)+tail
            else:
                lines=[]
                for l in t.split('\n'):
                    if l not in lines: lines.append(l)
                t='\n'.join(sorted(lines[1:-1]) and [lines[0]]+sorted(lines[1:-1])+[lines[-1]])
        elif c['task']=='variable_tracking':
            t=re.sub(r'\b\d{5}\b','<number>',t)
            t=re.sub(r'\b[A-Z]{5}\b','<name>',t); t=re.sub(r'\b(?!VAR\b)[A-Z]{3}\b','<short>',t)
            lines=[]
            for l in t.split('\n'):
                if l and l in lines: continue
                lines.append(l)
            t='\n'.join(l for l in lines if not l.startswith('The grass'))
        elif c['task']=='common_words_extraction':
            t=re.sub(r'(\d+\.) [a-z]+',r'\1 w',t)
        else:
            head,_,rest=t.partition('coded words. ')
            words,_,tail=rest.partition('\nQuestion')
            from collections import Counter
            t=head+'coded words. '+' '.join(map(str,sorted(Counter(words.split()).values(),reverse=True)))+'\nQuestion'+tail
        out[kind if kind!='cwe' else f'cwe {length}']={'prompt':t,'answers':len(js[0]['outputs']),'tokens':base['tokens_to_generate']}
json.dump({'source':'NVIDIA/RULER c3f5e3b4f87f97e048793bb510a3a6b19a46bf3a (Apache-2.0): its own generators, random words, names and numbers masked','prompts':out},open(target+'/ruler-prompts.json','w'),indent=1,ensure_ascii=False)
