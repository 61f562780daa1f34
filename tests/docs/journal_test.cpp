// The journal as docs/journal.md shows it: what a real transaction leaves, and the queries over it with their answers.
#include <weft/open_store.hpp>
#include <weft/testing/environment.hpp>

#include <boost/json/parse.hpp>
#include <boost/json/serialize.hpp>
#include <gtest/gtest.h>
#include <sqlite3.h>

#include <filesystem>
#include <fstream>
#include <sstream>
#include <unistd.h>

namespace journal_test {

using namespace weft::literals;
std::int64_t charge(std::int64_t cents) { return cents; }
void         pay_back(std::int64_t) { }
void         reserve(std::int64_t) { }
void         notify(std::int64_t) { }

weft::workflow<std::int64_t> place_order(weft::context& wf, std::int64_t cents)
{
    auto const charged = co_await wf.saga("charge", &charge, &pay_back, cents);
    co_await wf.tcc("deduct-stock", &reserve, &notify, &notify, cents);
    co_await wf.step("notify", &notify, cents);
    co_return charged;
}

weft::workflow<void> many(weft::context& wf)
{
    for (std::int64_t i = 0; i < 50; ++i)
        co_await wf.step("line", &charge, i);
}

weft::workflow<void> once(weft::context& wf)
{
    auto const name = weft::named("ask").retry({.attempts = 1});
    co_await wf.step(name, &notify, std::int64_t(1));
}

std::string read(std::string const& name)
{
    std::ifstream     file(WEFT_DOCS_TESTS "/" + name);
    std::stringstream text;
    text << file.rdbuf();
    return text.str();
}

class Journal : public ::testing::Test
{
protected:
    Journal()
    {
        directory_ = std::filesystem::temp_directory_path() / ("weft-docs-" + std::to_string(::getpid()));
        std::filesystem::create_directories(directory_);
        file = directory_ / "weft.db";
    }
    ~Journal() override { std::filesystem::remove_all(directory_); }

    weft::testing::environment_options on_sqlite() const
    {
        weft::testing::environment_options options;
        options.open_store = [f = file](std::shared_ptr<weft::clock> clock) { return weft::open_store("sqlite://" + f, {.clock = clock}); };
        options.engine.retry.jitter = 0;
        return options;
    }

    // As the sqlite3 shell prints it.
    std::string ask(std::string const& sql) const
    {
        sqlite3* db = nullptr;
        EXPECT_EQ(sqlite3_open(file.c_str(), &db), SQLITE_OK);
        std::string out;
        auto const  row = [](void* to, int n, char** values, char**) {
            for (int i = 0; i < n; ++i)
                *static_cast<std::string*>(to) += std::string(i ? "|" : "") + (values[i] ? values[i] : "");
            *static_cast<std::string*>(to) += '\n';
            return 0;
        };
        char* error = nullptr;
        EXPECT_EQ(sqlite3_exec(db, sql.c_str(), row, &out, &error), SQLITE_OK) << (error ? error : "") << '\n' << sql;
        sqlite3_free(error);
        sqlite3_close(db);
        return out;
    }

    std::string file;

private:
    std::filesystem::path directory_;
};

TEST_F(Journal, LooksAsDocumented)
{
    weft::testing::environment env;
    auto const                 place = env.add("place-order", &place_order);
    env.on("notify").fails("no such address");
    EXPECT_FALSE(place.execute("order-1"_gid, std::int64_t{500}));
    auto const shown = boost::json::parse(read("journal.json"));
    auto const found = boost::json::parse(env.query("order-1"_gid)->journal);
    EXPECT_EQ(found, shown) << found;
}

TEST_F(Journal, AnswersTheDocumentedQueries)
{
    weft::testing::environment env(on_sqlite());
    auto const                 place = env.add("place-order", &place_order);
    auto const                 many_steps = env.add("many", &many);
    auto const                 one_step = env.add("once", &once);
    env.on("ask").throws("connection refused");
    env.on("notify").fails("no such address").throws("the mail server is down");
    EXPECT_FALSE(place.execute("order-1"_gid, std::int64_t{500}));
    place.submit("order-2"_gid, std::int64_t{700});
    EXPECT_TRUE(many_steps.execute("order-3"_gid));
    one_step.submit("order-4"_gid);
    env.advance(std::chrono::seconds(2));

    // "sqlite> " begins a query, which ends with its semicolon; then come the rows.
    std::istringstream lines(read("journal.txt"));
    std::string        line, query, expected, found;
    unsigned           queries = 0;
    while (std::getline(lines, line))
    {
        if (line.empty() || line.starts_with("--"))
            continue;
        expected += line + '\n';
        if (line.starts_with("sqlite> "))
        {
            query = line.substr(8) + '\n';
            found += line + '\n';
        }
        else if (!query.empty())
        {
            query += line + '\n';
            found += line + '\n';
        }
        if (!query.empty() && line.ends_with(';'))
        {
            found += ask(query);
            query.clear();
            ++queries;
        }
    }
    EXPECT_GT(queries, 3u);
    EXPECT_EQ(found, expected);
}

}  // namespace journal_test
