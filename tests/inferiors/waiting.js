// SPDX-License-Identifier: MIT
// Waits for ever, below functions of JavaScript that were compiled and some that were not.
"use strict";
const word = new Int32Array(new SharedArrayBuffer(4));

function innermost(wait) {
	if (wait) {
		require("fs").writeSync(1, "waiting\n");
		Atomics.wait(word, 0, 0);
	}
	return 1;
}

function descend(n, wait) {
	return n ? descend(n - 1, wait) + 1 : innermost(wait);
}

function main() {
	let sum = 0;
	for (let i = 0; i < 20000; i++)
		sum += descend(5, false);
	[0].forEach(() => descend(5, true));
	return sum;
}

main();
