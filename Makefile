.DEFAULT_GOAL := help
BIN := node_modules/.bin

.PHONY: help demo test mutants mutants-ts check torture outage interop bench bench-quick bot bot-test bot-compare build clean redis

help: ## Show this help
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  make %-12s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

demo: node_modules redis ## Replay real chats through three dispatchers, kill one, and check every promise (about 20 s)
	@$(BIN)/ts-node examples/demo/main.ts

test: node_modules redis ## Run all tests against a private Redis
	@npm test --silent

check: node_modules redis ## What CI runs: types, then the tests
	@$(BIN)/tsc -p . && npm test --silent

bot: examples/telegram-bot/node_modules redis ## Show a chat with the Telegram bot of examples/, offline (20 s; with TELEGRAM_BOT_TOKEN: run it)
	@$(BIN)/ts-node examples/telegram-bot/main.ts

bot-test: examples/telegram-bot/node_modules redis ## Check the types of the Telegram bot in examples/, and test it, with 300 users (about a minute)
	@$(BIN)/tsc -p examples/telegram-bot && $(BIN)/ts-node test/run.ts $(BIN)/uvu -r ts-node/register examples/telegram-bot/test "\.test\.ts$$"

bot-compare: examples/telegram-bot/node_modules redis ## Let a bot that sends by itself, and that of examples/, meet the same load, and print what users see (3 minutes)
	@$(BIN)/ts-node examples/telegram-bot/test/compare.ts

torture: node_modules redis ## Let everything fail under load, and check every promise (SECONDS=60 SEED=7 SEEDS=1 NEMESIS=kill,stall)
	@SECONDS=$(SECONDS) SEED=$(SEED) SEEDS=$(SEEDS) NEMESIS=$(NEMESIS) $(BIN)/ts-node test/torture/main.ts

outage: node_modules redis ## Stop Redis under load for SECONDS=60, and see how everything comes back
	@SECONDS=$(SECONDS) $(BIN)/ts-node test/torture/outage.ts

interop: node_modules redis ## Let the clients in all languages pass the conformance vectors, and work together (a minute)
	@$(BIN)/ts-node test/interop/main.ts

mutants: node_modules redis ## Change the scripts in every small way, and see that the tests notice (half an hour; or SCRIPTS="ack drop")
	@$(BIN)/ts-node test/mutation/main.ts $(SCRIPTS)

mutants-ts: test/mutation/node_modules redis ## The same for the TypeScript in src/, by Stryker (hours; or FILES="leases outcome")
	@$(BIN)/ts-node test/mutation/typescript.ts $(FILES)

bench: bench/node_modules redis ## Measure everything, beside other queues (under 20 minutes)
	@$(BIN)/ts-node bench/main.ts full

bench-quick: bench/node_modules redis ## Check the types of bench/, measure what a regression would show in, and compare with bench/baseline.json
	@$(BIN)/tsc -p bench && $(BIN)/ts-node bench/main.ts quick

build: node_modules ## Build the package into dist/
	@npm run build --silent

clean: ## Delete what was built and installed
	rm -rf node_modules dist coverage

node_modules: package.json package-lock.json
	@node -e 'if (process.versions.node.split(".")[0] < 20) { console.error("Node 20 or newer is needed"); process.exit(1) }'
	@npm ci --silent --no-fund --no-audit
	@touch node_modules

test/mutation/node_modules: node_modules test/mutation/package.json test/mutation/package-lock.json
	@cd test/mutation && npm ci --silent --no-fund --no-audit
	@touch test/mutation/node_modules

examples/telegram-bot/node_modules: node_modules examples/telegram-bot/package.json examples/telegram-bot/package-lock.json
	@cd examples/telegram-bot && npm ci --silent --no-fund --no-audit
	@touch examples/telegram-bot/node_modules

bench/node_modules: node_modules bench/package.json bench/package-lock.json
	@cd bench && npm ci --silent --no-fund --no-audit
	@touch bench/node_modules

redis:
	@command -v redis-server > /dev/null || { \
	  if command -v apt-get > /dev/null && [ "$$(id -u)" = 0 ]; then \
	    apt-get update -qq && apt-get install -y -qq redis-server > /dev/null; \
	  else echo "redis-server is missing: install Redis 6.2 or newer (Debian: sudo apt-get install redis-server)" >&2; exit 1; fi; }
