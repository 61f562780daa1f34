#include "place_order.hpp"

#include "operations.hpp"
#include "shop.hpp"

#include <weft/sql.hpp>

//[place_order
weft::workflow<receipt> place_order(weft::context& wf, shop& our, order o)
{
    using weft::sql;

    // saga: done now, undone by its compensation if anything later fails
    co_await wf.saga("create-order", sql(our.orders, &create_order), sql(our.orders, &cancel_order), o);

    // TCC: reserved now, confirmed when the whole workflow commits, released when it rolls back
    co_await wf.tcc("deduct-stock", sql(our.stock, &reserve_stock), sql(our.stock, &confirm_stock), sql(our.stock, &release_stock), o);

    auto const charged = co_await wf.saga("charge", sql(our.accounts, &charge), sql(our.accounts, &refund), o);

    // step: recorded, nothing to undo
    auto const number = co_await wf.step("write-receipt", sql(our.orders, &write_receipt), o);

    receipt done{o.id, number, charged};
    co_return done;
}
//]
