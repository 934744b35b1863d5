class Announce:
    def __init__(self, text):
        self.text = text

    def __call__(self, server):
        server.log.info(self.text)


on_starting = Announce("an object that is called")
on_exit = Announce("and at the end")
