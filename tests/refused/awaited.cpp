// What is handed to a call that is awaited has a name first, and what is awaited is awaited once.
// expect: name it first. An aggregate
// expect: name it first. An aggregate
// expect: name it first. A lambda that holds values
// expect: is awaited once
#include <weft/transaction_manager.hpp>
#include <weft/workflow.hpp>

void nothing() { }

boost::asio::awaitable<void> caller(weft::transaction_manager& manager)
{
    weft::list_filter const  paused{.paused = true};
    weft::global_transaction t;
    std::size_t              n = 0;
    auto const               count = [&n](weft::store&) { return n; };
#if defined(RIGHT)
    co_await manager.engine().list(paused);
    co_await manager.submit(t);
    co_await manager.prepare(t);
    co_await manager.prepare_workflow(t);
    co_await manager.with_store<std::size_t>(count);
    co_await manager.with_store<int>([&n](weft::store&) { return static_cast<int>(n); });
#elif WRONG == 1
    co_await manager.engine().list({.paused = true});
#elif WRONG == 2
    co_await manager.submit(weft::global_transaction{.gid = "g1"});
#elif WRONG == 3
    co_await manager.with_store<std::size_t>([paused](weft::store& s) { return s.list(paused).size(); });
#endif
    static_cast<void>(count);
    co_return;
}

// Where nothing is awaited, nothing needs a name.
std::size_t waits(weft::transaction_manager& manager) { return manager.engine().list({.paused = true}, weft::blocking).size(); }

weft::workflow<void> body(weft::context& wf)
{
    auto branch = wf.step("nothing", &nothing);
#if WRONG == 4
    co_await branch;
#else
    co_await std::move(branch);
#endif
}
