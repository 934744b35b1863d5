workers = 2
threads = 1

if __name__ == "__main__":
    raise SystemExit("this file configures a server")
