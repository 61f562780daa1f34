// The three things weft is for: an order is one coroutine; a crash anywhere does not matter; participants can be played by a script.
#include "../audit.hpp"
#include "../operations.hpp"
#include "../place_order.hpp"
#include "../shop.hpp"

#include <weft/sql.hpp>
#include <weft/testing/environment.hpp>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

// After GoogleTest: failures are reported to it.
#include <weft/testing/crash_everywhere.hpp>

#include <cstdlib>
#include <filesystem>

namespace {

using namespace weft::literals;

using ::testing::ElementsAre;
using ::testing::IsEmpty;
using namespace std::chrono_literals;

struct temporary_directory
{
    temporary_directory()
    {
        auto name = (std::filesystem::temp_directory_path() / "order-test.XXXXXX").string();
        if (!mkdtemp(name.data()))
            throw std::runtime_error("cannot make " + name);
        path = name;
    }
    ~temporary_directory() { std::filesystem::remove_all(path); }
    temporary_directory(temporary_directory const&) = delete;
    temporary_directory& operator=(temporary_directory const&) = delete;

    std::filesystem::path path;
};

// A shop with its three databases, gone at the end of the test.
struct temporary_shop
{
    temporary_directory directory;
    shop                our{directory.path};
};

order const two_mugs{"o-1", "ada", "mug", 2, 1'800};
order const too_expensive{"o-2", "oliver", "blanket", 40, 208'000};
order const too_many{"o-3", "ada", "lamp", 1'000, 1'000};

// --- one coroutine --------------------------------------------------------------------------------------------------------

//[order_test_scripted
TEST(PlaceOrder, DoesOneThingAfterTheOtherAndConfirmsTheStockAtTheEnd)
{
    temporary_shop             shop;
    weft::testing::environment env;  // memory store, virtual time
    auto const                 place = env.add("place-order", &place_order, std::ref(shop.our));

    auto const done = place.execute("o-1"_gid, two_mugs);

    EXPECT_EQ(done.value().cents, 1'800);
    EXPECT_THAT(env.calls(),
                ElementsAre("create-order/action", "deduct-stock/try", "charge/action", "write-receipt/action", "deduct-stock/confirm"));
    EXPECT_THAT(audit(env.store(), shop.our).differences, IsEmpty());
}

TEST(PlaceOrder, UndoesEverythingWhenThereIsNotEnoughMoney)
{
    temporary_shop             shop;
    weft::testing::environment env;
    auto const                 place = env.add("place-order", &place_order, std::ref(shop.our));

    auto const done = place.execute("o-2"_gid, too_expensive);

    ASSERT_FALSE(done.has_value());
    EXPECT_EQ(done.error().reason(), "not enough money: oliver");
    EXPECT_THAT(env.calls(),
                ElementsAre("create-order/action", "deduct-stock/try", "charge/action", "deduct-stock/cancel", "create-order/compensate"));
    EXPECT_THAT(audit(env.store(), shop.our).differences, IsEmpty());
}
//]

TEST(PlaceOrder, UndoesTheOrderWhenThereIsNoStock)
{
    temporary_shop             shop;
    weft::testing::environment env;
    auto const                 place = env.add("place-order", &place_order, std::ref(shop.our));

    auto const done = place.execute("o-3"_gid, too_many);

    ASSERT_FALSE(done.has_value());
    EXPECT_EQ(done.error().reason(), "out of stock: lamp");
    EXPECT_THAT(env.calls(), ElementsAre("create-order/action", "deduct-stock/try", "create-order/compensate"));
    EXPECT_THAT(audit(env.store(), shop.our).differences, IsEmpty());
}

// --- a crash anywhere ------------------------------------------------------------------------------------------------------

//[order_test_crash
// Each write of the run × {crash before it, after it, answer lost, frozen}: recovered, and audited to the piece and to the cent.
struct one_order
{
    using world = temporary_shop;
    order wanted;

    void arrange(weft::testing::environment& env, world& w) { env.add("place-order", &place_order, std::ref(w.our)); }
    void act(weft::testing::environment& env, world&) { env.workflow<receipt(order)>("place-order").submit(weft::gid(wanted.id), wanted); }
};

TEST(PlaceOrder, SurvivesACrashAnywhere)
{
    for (auto const& wanted : {two_mugs, too_expensive})
    {
        auto const report = weft::testing::crash_everywhere(one_order{wanted}, [](temporary_shop& shop, weft::testing::environment& env) {
            auto const books = audit(env.store(), shop.our);
            EXPECT_THAT(books.differences, IsEmpty());
            EXPECT_EQ(books.committed + books.rolled_back, 1);
        });
        EXPECT_GT(report.cases(), 0u);
    }
}
//]

// --- participants played by a script ----------------------------------------------------------------------------------------

//[order_test_fake
TEST(PlaceOrder, GoesOnWhenTheStockIsAwayForAWhile)
{
    temporary_shop             shop;
    weft::testing::environment env;
    auto const                 place = env.add("place-order", &place_order, std::ref(shop.our));
    env.on("create-order").succeeds();
    env.on("deduct-stock").throws("connection refused").never_answers().succeeds();
    env.on("deduct-stock", weft::operation::confirm).succeeds();
    env.on("charge").succeeds(std::int64_t{1'800});
    env.on("write-receipt").succeeds(std::int64_t{4711});

    auto const done = place.execute("o-1"_gid, two_mugs).value();

    EXPECT_EQ(done.number, 4711);
    EXPECT_THAT(env.calls(), ElementsAre("create-order/action", "deduct-stock/try", "deduct-stock/try", "deduct-stock/try", "charge/action",
                                         "write-receipt/action", "deduct-stock/confirm"));
    EXPECT_EQ(audit(env.store(), shop.our).effects, 0) << "the databases were not asked";
}
//]

TEST(PlaceOrder, ChargesOnceWhenTheAnswerToTheChargeIsLost)
{
    temporary_shop             shop;
    weft::testing::environment env;
    auto const                 place = env.add("place-order", &place_order, std::ref(shop.our));
    env.on("charge").loses_the_answer().runs();

    EXPECT_TRUE(place.execute("o-1"_gid, two_mugs).has_value());

    auto const books = audit(env.store(), shop.our);
    EXPECT_THAT(books.differences, IsEmpty());
    EXPECT_EQ(books.taken, 1'800);
}

// The audit is what the demonstration stands on: it must be able to say no.
TEST(Audit, FindsAnEffectThatHappenedTwice)
{
    temporary_shop             shop;
    weft::testing::environment env;
    auto const                 place = env.add("place-order", &place_order, std::ref(shop.our));
    place.execute("o-1"_gid, two_mugs).value();

    // What a charge without a barrier would do when it is sent again.
    shop.our.accounts.run([](soci::session& sql) {
        weft::branch const where{"o-1", "03", "charge", weft::operation::action};
        charge(where, sql, two_mugs);
    });

    EXPECT_THAT(audit(env.store(), shop.our).differences,
                ElementsAre("accounts: action of branch 03 of order o-1 happened 2 times",
                            "accounts: what ada paid, against the orders that committed, in cents: is 3600, should be 1800 (+1800)"));
}

}  // namespace
