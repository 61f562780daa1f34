// The command line.
#include "audit.hpp"
#include "in_flight.hpp"
#include "listing.hpp"
#include "load.hpp"
#include "order_file.hpp"
#include "place_order.hpp"
#include "text.hpp"
#include "timeline.hpp"
#include "work.hpp"

#include <weft/host.hpp>
#include <weft/open_store.hpp>

#include <boost/program_options.hpp>
#include <boost/uuid/random_generator.hpp>
#include <boost/uuid/uuid_io.hpp>

#include <iostream>

namespace po = boost::program_options;

namespace {

constexpr char const* usage = R"(An order service: three databases, kept in step by weft.

  order place --customer ada --article mug --quantity 2 --cents 1800   places one order
  order load FILE.jsonl      places the orders of a file, many at a time; after a crash, the same command goes on
  order work                 runs orders that others have placed, until it is asked to stop
  order show ID              one order's journal as a timeline
  order list                 orders by status
  order status               how many there are of each, and what is under way
  order audit                does it all add up? exit status 1, and the difference, if not
  order resume ID            lets a paused order go on, when what it stumbled over has been put right

Each takes --dir DATA, the directory of weft.db, orders.db, stock.db and accounts.db; or --server URL, such as
postgres://user:password@host:5432/shop for the databases shop_weft, shop_orders, shop_stock and shop_accounts on that server.
`order COMMAND --help` has the rest.
)";

enum exit_status
{
    all_well = 0,
    said_no = 1,
    wrong_call = 2
};

// One command's options: --dir or --server for all, the command's own, and at most one argument without a name.
class command_line
{
public:
    explicit command_line(std::string name) : name_(std::move(name)), options_("order " + name_)
    {
        add()("help,h", "this text")("dir,d", po::value<std::string>(), "the shop's directory")(
            "server", po::value<std::string>(), "or its server: postgres://user:password@host:5432/shop, mysql://...");
    }

    po::options_description_easy_init add() { return options_.add_options(); }
    void                              positional(char const* option) { positional_.add(option, 1); }

    // False: help was asked for and given.
    bool parse(std::vector<std::string> const& arguments)
    {
        po::store(po::command_line_parser(arguments).options(options_).positional(positional_).run(), values_);
        if (values_.contains("help"))
        {
            std::cout << options_;
            return false;
        }
        po::notify(values_);
        if (values_.contains("dir") == values_.contains("server"))
            throw bad_input("order " + name_ + " needs --dir DATA, the shop's directory, or --server URL");
        return true;
    }

    shop_place where() const { return {has("dir") ? get<std::string>("dir") : "", has("server") ? get<std::string>("server") : ""}; }
    bool       has(char const* option) const { return values_.contains(option); }

    template <class T>
    T get(char const* option) const
    {
        if (!has(option))
            throw bad_input("order " + name_ + " needs " + option + "; see order " + name_ + " --help");
        return values_[option].as<T>();
    }

private:
    std::string                        name_;
    po::options_description            options_;
    po::positional_options_description positional_;
    po::variables_map                  values_;
};

weft::transaction find(weft::store& transactions, std::string const& id)
{
    auto t = transactions.find(id, true);
    if (!t)
        throw bad_input("there is no order " + id + " here");
    return *t;
}

int place_one(command_line& line, std::vector<std::string> const& arguments)
{
    line.add()("customer", po::value<std::string>(), "who buys")("article", po::value<std::string>(), "what")(
        "quantity", po::value<std::int64_t>()->default_value(1), "how many")("cents", po::value<std::int64_t>(), "for how much in all")(
        "id", po::value<std::string>(), "the order's id: the same id again gives the same answer again (default: a new one)");
    if (!line.parse(arguments))
        return all_well;
    order wanted;
    wanted.id = line.has("id") ? line.get<std::string>("id") : to_string(boost::uuids::random_generator()());
    wanted.customer = line.get<std::string>("customer");
    wanted.article = line.get<std::string>("article");
    wanted.quantity = line.get<std::int64_t>("quantity");
    wanted.cents = line.get<std::int64_t>("cents");
    if (auto const wrong = wrong_with(wanted); !wrong.empty())
        throw bad_input(wrong);

    auto const store = open_transactions(line.where(), if_missing::make);
    //[order_place
    shop       our(line.where());
    weft::host host(*store);
    auto const place = add_place_order(host.engine(), our);
    try
    {
        auto const done = place.execute(weft::gid(wanted.id), wanted, weft::blocking);
        std::cout << "order " << wanted.id << ": receipt " << done.number << ", " << money(done.cents) << " charged\n";
        return all_well;
    }
    catch (weft::failure const& no)
    {
        std::cout << "order " << wanted.id << " was rolled back: " << no.reason() << '\n';
        return said_no;
    }
    //]
}

int load_file(command_line& line, std::vector<std::string> const& arguments)
{
    load_options options;
    line.add()("file", po::value<std::string>(), "the orders, one JSON object a line")(
        "in-flight", po::value<std::size_t>(&options.in_flight)->default_value(options.in_flight), "orders at a time")(
        "limit", po::value<std::size_t>(), "only the first so many")("every-ms", po::value<unsigned>()->default_value(1'000),
                                                                     "milliseconds between two lines of progress, where that is no bar");
    line.positional("file");
    if (!line.parse(arguments))
        return all_well;
    if (options.in_flight == 0 || options.in_flight > 100'000)
        throw bad_input("--in-flight is 1 to 100000");
    options.every = std::chrono::milliseconds(line.get<unsigned>("every-ms"));
    auto orders = read_orders(line.get<std::string>("file"));
    if (line.has("limit"))
        orders.resize(std::min(orders.size(), line.get<std::size_t>("limit")));
    auto const store = open_transactions(line.where(), if_missing::make);
    shop       our(line.where());
    return load(*store, our, orders, options);
}

int work_on(command_line& line, std::vector<std::string> const& arguments)
{
    if (!line.parse(arguments))
        return all_well;
    auto const store = open_transactions(line.where(), if_missing::refuse);
    shop       our(line.where());
    return work(*store, our);
}

int show(command_line& line, std::vector<std::string> const& arguments)
{
    line.add()("id", po::value<std::string>(), "the order");
    line.positional("id");
    if (!line.parse(arguments))
        return all_well;
    auto const id = line.get<std::string>("id");
    auto const store = open_transactions(line.where(), if_missing::refuse);
    print_timeline(std::cout, find(*store, id));
    return all_well;
}

int list(command_line& line, std::vector<std::string> const& arguments)
{
    weft::list_filter filter;
    line.add()("status", po::value<std::string>(),
               "prepared (running forward), submitted (committing), aborting (rolling back), succeed or failed")(
        "unfinished", po::bool_switch(&filter.unfinished), "whatever has not ended")("paused", po::bool_switch(&filter.paused),
                                                                                     "what waits for a person")(
        "no-worker", po::bool_switch(&filter.no_worker),
        "what is due, and no live engine could run")("limit", po::value<std::size_t>(&filter.limit)->default_value(20), "how many at most");
    if (!line.parse(arguments))
        return all_well;
    if (line.has("status"))
    {
        auto const text = line.get<std::string>("status");
        filter.status = weft::status_from(text);
        if (!filter.status)
            throw bad_input("there is no status \"" + text + "\": prepared, submitted, aborting, succeed and failed are");
    }
    auto const store = open_transactions(line.where(), if_missing::refuse);
    auto const rows = store->list(filter);
    print_list(std::cout, rows);
    if (rows.empty())
        std::cout << "none\n";
    else if (rows.size() == filter.limit)
        std::cout << "... (--limit " << filter.limit << ")\n";
    return all_well;
}

int status(command_line& line, std::vector<std::string> const& arguments)
{
    bool json = false;
    line.add()("json", po::bool_switch(&json), "for programs");
    if (!line.parse(arguments))
        return all_well;
    auto const store = open_transactions(line.where(), if_missing::refuse);
    shop       our(line.where());
    auto const s = take_stock(*store, our);
    json ? print_standing_json(std::cout, s) : print_standing(std::cout, s);
    return all_well;
}

int audit_all(command_line& line, std::vector<std::string> const& arguments)
{
    if (!line.parse(arguments))
        return all_well;
    auto const store = open_transactions(line.where(), if_missing::refuse);
    shop       our(line.where());
    auto const report = audit(*store, our);
    for (auto const& d : report.differences)
        std::cout << d << '\n';
    std::cout << "audit: " << counted(report.committed, "order") << " committed, " << grouped(report.rolled_back) << " rolled back; "
              << counted(report.sold, "piece") << " sold, " << money(report.taken) << " in the till; " << counted(report.effects, "effect")
              << ": ";
    if (report.differences.empty())
        std::cout << "all of it adds up\n";
    else
        std::cout << counted(static_cast<std::int64_t>(report.differences.size()), "difference") << '\n';
    return report.differences.empty() ? all_well : said_no;
}

int resume(command_line& line, std::vector<std::string> const& arguments)
{
    line.add()("id", po::value<std::string>(), "the order");
    line.positional("id");
    if (!line.parse(arguments))
        return all_well;
    auto const id = line.get<std::string>("id");
    auto const store = open_transactions(line.where(), if_missing::refuse);
    if (find(*store, id).paused_reason.empty())
        throw bad_input("order " + id + " is not paused");
    {
        weft::host host(*store);
        host.engine().resume(weft::gid(id), weft::blocking);
    }
    std::cout << "order " << id << " goes on with the next `order load` or `order place`\n";
    return all_well;
}

int run(std::vector<std::string> arguments)
{
    if (arguments.empty() || arguments[0] == "--help" || arguments[0] == "-h" || arguments[0] == "help")
    {
        (arguments.empty() ? std::cerr : std::cout) << usage;
        return arguments.empty() ? wrong_call : all_well;
    }
    struct command
    {
        char const* name;
        int (*run)(command_line&, std::vector<std::string> const&);
    };
    constexpr command commands[] = {{"place", &place_one}, {"load", &load_file}, {"work", &work_on},    {"show", &show},
                                    {"list", &list},       {"status", &status},  {"audit", &audit_all}, {"resume", &resume}};
    auto const        name = arguments[0];
    arguments.erase(arguments.begin());
    for (auto const& c : commands)
        if (name == c.name)
        {
            command_line line(name);
            return c.run(line, arguments);
        }
    throw bad_input("there is no command \"" + name + "\"; see order --help");
}

}  // namespace

int main(int argc, char** argv)
{
    try
    {
        return run(std::vector<std::string>(argv + 1, argv + argc));
    }
    catch (po::error const& e)
    {
        std::cerr << "order: " << e.what() << '\n';
    }
    catch (std::exception const& e)
    {
        std::cerr << "order: " << e.what() << '\n';
    }
    return wrong_call;
}
