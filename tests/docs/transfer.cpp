// The program of the README: complete, and run by the tests.
//[transfer
#include <weft/open_store.hpp>
#include <weft/weft.hpp>

#include <boost/describe.hpp>

#include <iostream>

struct order
{
    std::string from, to;
    int         cents;
};
BOOST_DESCRIBE_STRUCT(order, (), (from, to, cents))

// Operations: ordinary functions. Throwing weft::failure means "the business says no".
void debit(order const& o) { std::cout << "debit " << o.from << '\n'; }
void refund(order const& o) { std::cout << "refund " << o.from << '\n'; }
void credit(order const& o)
{
    if (o.to == "nobody")
        throw weft::failure("no such account");
    std::cout << "credit " << o.to << '\n';
}

weft::workflow<int> transfer(weft::context& wf, order o)
{
    co_await wf.saga("debit", &debit, &refund, o);  // undone by refund if anything later fails
    co_await wf.step("credit", &credit, o);         // recorded; nothing to undo
    co_return o.cents;
}

int main(int argc, char** argv)
try
{
    order const wanted{"alice", argc > 1 ? argv[1] : "bob", 500};
    auto const  store = weft::open_store("sqlite://transfer.db");
    weft::host  host(*store);
    auto const  transfers = host.engine().add("transfer", &transfer);
    host.start();
    std::cout << transfers.execute(weft::gid("to-" + wanted.to), wanted, weft::blocking) << " cents moved\n";
}
catch (weft::failure const& no)
{
    std::cout << "rolled back: " << no.reason() << '\n';
}
catch (std::exception const& e)  // paused, in doubt, no database: docs/calling.md
{
    std::cerr << e.what() << '\n';
    return 1;
}
//]
