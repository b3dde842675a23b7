# Carrel. `make help` lists the targets; the work is in the small scripts under packaging/ and tests/.
# cargo may have been installed a moment ago
export PATH := $(PATH):$(HOME)/.cargo/bin

.PHONY: help run test check bench deb rpm clean

help:      ## this list
	@awk -F ':.*## ' '/^[a-z]+:.*## /{printf "  make %-8s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

run:       ## install what is missing, build, start Carrel on loopback; prints its address and set-up link
	@packaging/prepare.sh run
	@packaging/build-console.sh
	@packaging/run.sh

test:      ## install what is missing, build, run every test suite (SUITES="unit api" runs only these)
	@packaging/prepare.sh test
	@packaging/build-console.sh
	@tests/run.sh $(SUITES)

check:     ## formatting, lints and types of binary and console
	@packaging/prepare.sh build
	cargo fmt --check
	cargo clippy --locked --all-targets -- -D warnings
	@packaging/build-console.sh check

bench:     ## measure against what one would use otherwise; prints one table
	@packaging/prepare.sh test
	@packaging/build-console.sh
	@tests/bench/run.sh $(ROWS)

deb:       ## build target/packages/carrel_*.deb
	@packaging/prepare.sh package
	@packaging/build-console.sh
	@packaging/package.sh deb

rpm:       ## build target/packages/carrel-*.rpm
	@packaging/prepare.sh package
	@packaging/build-console.sh
	@packaging/package.sh rpm

clean:     ## remove what was built
	cargo clean
	rm -rf static/dist static/node_modules
