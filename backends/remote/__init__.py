"""Any engine that speaks OpenAI's API: vLLM, SGLang, llama-server, Ollama, LM Studio, another Samovar.

backend.py is the whole; discovery.py finds out what answers at an address, engines.py knows how each kind spells what
we ask for; member.py is one engine, pool.py several behind one name; client.py speaks HTTP on the thread of loop.py.
"""
