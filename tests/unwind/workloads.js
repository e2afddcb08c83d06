// SPDX-License-Identifier: MIT
// Each keeps one thread busy for good with one sort of code: node workloads.js NAME
'use strict';

function recursion() {
	function fib(n) { return n < 2 ? n : fib(n - 1) + fib(n - 2); }
	function ackermann(m, n) {
		return m === 0 ? n + 1 : n === 0 ? ackermann(m - 1, 1)
			: ackermann(m - 1, ackermann(m, n - 1));
	}
	return () => fib(18) + ackermann(2, 30);
}

function json() {
	const value = { list: [], map: {}, text: 'some "quoted" text\n', n: 3.25, no: null };
	for (let i = 0; i < 50; i++) {
		value.list.push({ i, half: i / 2, name: 'item ' + i });
		value.map['key' + i] = [i, [i, { deep: [true, false] }]];
	}
	return () => JSON.stringify(JSON.parse(JSON.stringify(value)), (k, v) => v, 1).length;
}

function optimised() {
	class Vector {
		constructor(x, y) { this.x = x; this.y = y; }
		plus(o) { return new Vector(this.x + o.x, this.y + o.y); }
		get length() { return Math.sqrt(this.x * this.x + this.y * this.y); }
	}
	function sum(list) {
		let v = new Vector(0, 0);
		for (const o of list) v = v.plus(o);
		return v.length;
	}
	function sort(list) { return list.slice().sort((a, b) => a.x - b.x)[0].x; }
	const list = Array.from({ length: 200 }, (_, i) => new Vector(i * 7 % 31, i));
	function varargs(...a) { return a.length ? Math.max(...a) : 0; }
	return () => sum(list) + sort(list) + list.map((v) => v.length).reduce((a, b) => a + b) +
		varargs(1, 2, ...list.map((v) => v.x)) + varargs.apply(null, [3, 4, 5]);
}

// (module (func $fib (param i32) (result i32) ..) (func (export "run") (param i32) (result i32) ..)
//  where fib also calls an imported function of JavaScript at its leaves.
function wasm() {
	const bytes = new Uint8Array([
		0, 0x61, 0x73, 0x6d, 1, 0, 0, 0,
		1, 6, 1, 0x60, 1, 0x7f, 1, 0x7f,
		2, 7, 1, 1, 0x65, 1, 0x66, 0, 0,
		3, 2, 1, 0,
		7, 7, 1, 3, 0x72, 0x75, 0x6e, 0, 1,
		10, 32, 1, 30, 0,
		0x20, 0, 0x41, 2, 0x48, 4, 0x7f, 0x20, 0, 0x10, 0, 5,
		0x20, 0, 0x41, 1, 0x6b, 0x10, 1, 0x20, 0, 0x41, 2, 0x6b, 0x10, 1, 0x6a, 0x0b, 0x0b,
	]);
	let calls = 0;
	const module = new WebAssembly.Module(bytes);
	const { run } = new WebAssembly.Instance(module, { e: { f: (n) => { calls++; return n; } } }).exports;
	return () => run(12) + calls;
}

function regexp() {
	const text = 'The 17 quick brown foxes jump over 23 lazy dogs at 10:45. '.repeat(20);
	return () => {
		let n = 0;
		for (const m of text.matchAll(/(\d+):?(\d*)\s+(\w+)/g)) n += m[0].length;
		n += text.replace(/[aeiou]+/g, (v) => v.toUpperCase()).length;
		n += text.split(/\s*[.,]\s*/).length;
		return n + (/(a+)+b/.test('aaaaaaaaaaaac') ? 1 : 0) + text.search(/dogs(?= at)/);
	};
}

async function promise() {
	async function leaf(i) { await null; return i; }
	async function tree(n) {
		if (n === 0) return leaf(1);
		const both = await Promise.all([tree(n - 1), tree(n - 1)]);
		return both[0] + both[1];
	}
	for (;;) {
		await tree(6);
		await new Promise((go) => setImmediate(go));
	}
}

function async() {
	const { EventEmitter } = require('events');
	const { Readable, Transform, pipeline } = require('stream');
	const events = new EventEmitter();
	events.on('tick', function onTick(i) { this.last = i; });
	function round() {
		const source = Readable.from(['a', 'bc', 'def'].values());
		const upper = new Transform({
			transform(chunk, encoding, done) { done(null, String(chunk).toUpperCase()); },
		});
		upper.on('data', () => events.emit('tick', Date.now()));
		pipeline(source, upper, () => {
			process.nextTick(() => setImmediate(round));
			setTimeout(() => {}, 1);
		});
	}
	for (let i = 0; i < 4; i++) round();
}

// At once, and without the machinery of console.log, which would be what is looked at then.
function ready() { require('fs').writeSync(1, 'ready\n'); }

// Optimised code that is left for good: at once, and when what it called returns.
function deopt() {
	require('v8').setFlagsFromString('--allow-natives-syntax');
	const once = new Function('n', `
		let f;
		function inner(o) { return o.x + n; }
		function leaf(now) { if (now) %DeoptimizeFunction(f); return n; }
		f = function f(o, now) { const v = inner(o) * 2; return v + leaf(now) + v; };
		%NeverOptimizeFunction(leaf);
		%PrepareFunctionForOptimization(inner);
		%PrepareFunctionForOptimization(f);
		f({ x: 1 }); f({ x: 2 });
		%OptimizeFunctionOnNextCall(f);
		f({ x: 3 }, true);
		%PrepareFunctionForOptimization(f);
		f({ x: 1 });
		%OptimizeFunctionOnNextCall(f);
		f({ x: 4 });
		return String(f({ x: 'text' })).length;`);
	return () => once(5);
}

const loops = { recursion, json, optimised, wasm, regexp, deopt };
const name = process.argv[2];
if (loops[name]) {
	const once = loops[name]();
	let n = 0;
	const until = Date.now() + 1500;
	while (Date.now() < until) n += once();
	const turn = () => {
		for (let i = 0; i < 50; i++) n += once();
		setImmediate(turn);
	};
	setImmediate(turn);
	ready();
} else {
	({ promise, async })[name]();
	setTimeout(ready, 1500);
}
