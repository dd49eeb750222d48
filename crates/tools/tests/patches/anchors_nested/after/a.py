class A
  def x
    1
  def y
    2
class B
  def y
    1
