// SPDX-License-Identifier: MIT
// Known stacks: node stacks.js MODE [CASE...]
//
// For each case prints what V8 says of its own stack, a line of JSON, and waits at that very place for a byte
// on its standard input.  MODE says how the functions of the case are run: plain, baseline, maglev, turbofan.
'use strict';
const fs = require('fs');
const v8 = require('v8');
const vm = require('vm');

v8.setFlagsFromString('--allow-natives-syntax');
const never = new Function('f', '%NeverOptimizeFunction(f)');
const mode = process.argv[2] || 'plain';
let probing = false;

// ---- what V8 says, and the wait ----

function describe(site) {
	return {
		name: site.getFunctionName() || '',
		script: site.getScriptNameOrSourceURL() || '',
		line: site.getLineNumber(),
		column: site.getColumnNumber(),
		async: Boolean(site.isAsync && site.isAsync()),
	};
}

let current;

function look() {
	const before = Error.prepareStackTrace;
	Error.stackTraceLimit = Infinity;
	Error.prepareStackTrace = (_, sites) => sites.map(describe);
	const stack = new Error().stack;
	Error.prepareStackTrace = before;
	const text = Buffer.from(JSON.stringify({ case: current, stack: stack.slice(1) }) + '\n');
	for (let at = 0; at < text.length;) at += fs.writeSync(1, text, at);
	fs.readSync(0, Buffer.alloc(1));
}

// The innermost function of every case; it is never a part of another.
function here(x) { if (probing) look(); return x; }
never(look);
never(here);

// ---- the cases ----

const cases = {
	declared() { function declared(n) { return here(n) + 1; } return declared(1); },
	recursive(n = 12) { if (n > 0) return 1 + cases.recursive(n - 1); return here(0); },
	mutual() {
		function even(n) { return n ? odd(n - 1) : here(1); }
		function odd(n) { return n ? even(n - 1) : here(0); }
		return even(7);
	},
	arrows() { const inner = (a) => here(a) + 1; const outer = (a) => inner(a) + 1; return outer(1); },
	anonymous() { return (function () { return here(1) + 1; })() + (() => 1)(); },
	methods() {
		class Shape { area() { return here(1) + 1; } static of() { return new this().area() + 1; } }
		class Square extends Shape { area() { return super.area() + 1; } }
		return Square.of();
	},
	constructors() {
		class Base { constructor() { this.x = here(1) + 1; } }
		class Derived extends Base { constructor() { super(); this.y = 1; } }
		function Old() { this.z = new Derived().x; }
		return new Old().z;
	},
	accessors() {
		const o = { get value() { return here(1) + 1; }, set value(v) { this.w = here(v); } };
		const got = o.value + 1;
		o.value = got;
		return o.w;
	},
	privates() { class P { #secret() { return here(1) + 1; } open() { return this.#secret() + 1; } } return new P().open(); },
	fields() { class F { a = here(1) + 1; static s = here(2) + 1; } return new F().a + F.s; },
	computed() { const key = 'na' + 'med'; const o = { [key]() { return here(1) + 1; } }; return o[key](); },
	symbols() { const o = { [Symbol.toPrimitive]() { return here(1) + 1; } }; return +o + 1; },
	map() { return [1, 2].map((v) => here(v) + 1).length; },
	reduce() { return [1, 2, 3].reduce(function add(a, v) { return here(a) + v; }, 0); },
	sort() { return [3, 1, 2].sort((a, b) => here(a) - b)[0]; },
	replace() { return 'a-b'.replace(/-/g, (m) => here(m) + '+').length; },
	stringify() { return JSON.stringify({ toJSON() { return here(1); } }).length; },
	parse() { return JSON.parse('[1]', (k, v) => here(v)).length; },
	foreach() { let n = 0; new Map([[1, 2]]).forEach((v) => { n += here(v) + 1; }); return n; },
	proxies() { return new Proxy({}, { get(t, k) { return here(1) + 1; } }).anything + 1; },
	generators() { function* g() { yield here(1) + 1; } return [...g()].length; },
	iterators() {
		const it = { [Symbol.iterator]() { return { next() { return { done: here(true) }; } }; } };
		for (const v of it) return v;
		return 0;
	},
	spread() { function many(...a) { return here(a.length) + 1; } return many(...[1, 2, 3], 4); },
	missing() { function three(a, b, c) { return here(a) + 1; } return three(1) + three(1, 2, 3, 4, 5); },
	bound() { function f(a) { return here(a) + this.x; } return f.bind({ x: 1 }, 2)() + f.call({ x: 1 }, 2) + f.apply({ x: 1 }, [2]); },
	tried() { try { return here(1) + 1; } catch { return 0; } finally { here(2); } },
	defaults() { function f(a = here(1) + 1) { return a; } return f(); },
	templates() { function tag(s, v) { return here(v) + s.length; } return tag`a${1}b`; },
	switches() { let n = 0; for (let i = 0; i < 3; i++) { switch (i) { case 1: n += here(i) + 1; break; default: n++; } } return n; },
	wide() {
		let s = 0;
		const a = { x0: 1, x1: 2 };
		s += a.x0 + a.x1 +
			here(3) +
			[1, 2, 3].indexOf(2);
		return s;
	},
	evals() { return eval('(function evaluated(x) {\n  return here(x) + 1;\n})(1)'); },
	named() { return vm.runInThisContext('\n(function given(f) { return f(1) + 1; })', { filename: '/some/where.js', lineOffset: 10, columnOffset: 5 })(here); },
	sourceurl() { return eval('(function pointed(f) { return f(1) + 1; })\n//# sourceURL=pointed.js')(here); },
	unicode() { /* größer als ein Byte: ☃ 𝒳 */ const ключ = (ä) => here(ä) + 1; return ключ(1); },
	functions() { return new Function('f', 'return f(1) +\n1')(here); },
	closures() { const fs = [1, 2, 3].map((k) => (x) => here(x) + k); return fs[1](1); },
	reflected() { function r(a) { return here(a) + 1; } return Reflect.apply(r, null, [1]) + Reflect.construct(function made() { this.v = here(1); }, []).v; },
	async() { async function a() { const v = here(1) + 1; return v; } a(); return 1; },
	promises() { return new Promise(function executor(resolve) { resolve(here(1) + 1); }) ? 1 : 0; },
	compare() { const o = { valueOf() { return here(1) + 1; } }; return o > 1 ? 1 : 0; },
	tostring() { const o = { toString() { return here('x') + 'y'; } }; return `${o}`.length; },
};

const later = Object.values(cases);

// ---- how they are run ----

const optimize = {
	maglev: new Function('f', '%PrepareFunctionForOptimization(f); return () => { try { return %OptimizeMaglevOnNextCall(f); } catch {} }'),
	turbofan: new Function('f', '%PrepareFunctionForOptimization(f); return () => %OptimizeFunctionOnNextCall(f)'),
}[mode];

function run(name) {
	const f = cases[name];
	let go;
	for (let i = 0; i < 200 && mode !== 'plain' && mode !== 'baseline'; i++) {
		if (i === 100) go = optimize(f);
		f();
	}
	if (go) {
		go();
		f();
	}
	current = name;
	probing = true;
	f();
	probing = false;
}

const chosen = process.argv.slice(3);
for (const name of Object.keys(cases))
	if (!chosen.length || chosen.includes(name)) run(name);
