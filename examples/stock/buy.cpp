// Buys at the stock service: a workflow whose branches are requests.
//
//     buy SERVICE DATABASE ARTICLE QUANTITY [PURCHASES]       buy http://127.0.0.1:8080 buy.db mug 2 30
//
// Run it again after a crash, of itself or of the service: what was begun is finished, and nothing happens twice.
#include "stock.hpp"

#include <weft/http.hpp>
#include <weft/open_store.hpp>
#include <weft/weft.hpp>

#include <iostream>

struct reserved
{
    std::int64_t left = 0;
};
BOOST_DESCRIBE_STRUCT(reserved, (), (left))

struct services
{
    std::string stock;
};

//[buy
weft::workflow<std::int64_t> buy(weft::context& wf, services const& at, purchase p)
{
    auto const r = co_await wf.tcc("stock", weft::post<reserved>(at.stock + "/try"), weft::post(at.stock + "/confirm"),
                                   weft::post(at.stock + "/cancel"), p);
    co_return r.left;
}
//]

int main(int argc, char** argv)
try
{
    if (argc < 5)
    {
        std::cerr << "usage: buy SERVICE DATABASE ARTICLE QUANTITY [PURCHASES]\n";
        return 2;
    }
    services const at{argv[1]};
    purchase const wanted{argv[3], std::stoll(argv[4])};
    int const      purchases = argc > 5 ? std::stoi(argv[5]) : 1;

    auto const store = weft::open_store(std::string("sqlite://") + argv[2]);
    //[transport
    weft::engine_options options;
    options.transport = weft::make_http_transport();
    weft::host host(*store, options);
    auto const buying = host.engine().add("buy", &buy, std::cref(at));
    host.start();
    //]
    int bought = 0;
    for (int i = 1; i <= purchases; ++i)
        try
        {
            auto const left = buying.execute(weft::gid(wanted.article + '-' + std::to_string(i)), wanted, weft::blocking);
            std::cout << wanted.article << ' ' << i << ": " << left << " left" << std::endl;
            ++bought;
        }
        catch (weft::failure const& no)
        {
            std::cout << wanted.article << ' ' << i << ": " << no.reason() << std::endl;
        }
    std::cout << bought << " of " << purchases << " purchases\n";
}
catch (std::exception const& e)
{
    std::cerr << "buy: " << e.what() << '\n';
    return 1;
}
